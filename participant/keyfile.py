"""Reading key files: the same form that `quorate key new` writes, readable by their owner alone."""

import os
import stat
from pathlib import Path
from typing import Literal, TypeAlias

from ledger.errors import ConfigurationError
from ledger.keyfile import KEY_FILE_BYTES_MAX, KeyPurpose, check_private, decode_key_for
from ledger.keys import SigningKey

KeyUse: TypeAlias = Literal["participant", "operator"]


def load_key(path: Path, use: KeyUse) -> SigningKey:
    """Read a key file; raises ConfigurationError if it is missing, readable by others, damaged, or for another use."""
    return decode_key_for(KeyPurpose(use), _read_private(path), file=path)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            mode = stat.S_IMODE(status.st_mode) if os.name == "posix" else None
            check_private(path, mode=mode, size=status.st_size)
            return file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise ConfigurationError("key file", expected=str(path), got=error.strerror) from error
