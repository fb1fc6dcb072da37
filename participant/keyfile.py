"""Reading key files: the same form that `quorate key new` writes, readable by their owner alone.

A file that group or others may read is refused, not repaired: whoever could read it may have done so.
"""

import os
import stat
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from ledger.errors import ConfigurationError, InputError
from ledger.keys import SigningKey

KEY_FORMAT = "quorate-key-1"
KEY_FILE_BYTES_MAX = 4_096

KeyUse: TypeAlias = Literal["participant", "operator"]


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    purpose: str
    public: str
    seed: str


def load_key(path: Path, use: KeyUse) -> SigningKey:
    """Read a key file; raises ConfigurationError if it is missing, readable by others, damaged, or for another use."""
    try:
        document = msgspec.json.decode(_read_private(path), type=_KeyFile)
        key = SigningKey(bytes.fromhex(document.seed))
    except (msgspec.DecodeError, ValueError, InputError):
        # The cause is dropped: its text could repeat the file.
        raise ConfigurationError(f"key file {path}", expected=KEY_FORMAT, got="something else") from None
    if document.format != KEY_FORMAT or key.public.hex() != document.public:
        raise ConfigurationError(f"key file {path}", expected=f"a whole {KEY_FORMAT}", got="a damaged one")
    if document.purpose != use:
        raise ConfigurationError(f"key file {path}", expected=f"a key of purpose {use}", got=document.purpose)
    return key


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
                raise ConfigurationError(
                    f"mode of {path}", expected="0600 (chmod 600)", got=f"{stat.S_IMODE(status.st_mode):04o}"
                )
            if status.st_size > KEY_FILE_BYTES_MAX:
                raise ConfigurationError(
                    f"size of {path}", expected=f"at most {KEY_FILE_BYTES_MAX} bytes", got=status.st_size
                )
            return file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise ConfigurationError("key file", expected=str(path), got=error.strerror) from error
