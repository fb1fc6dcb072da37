"""Private files of a node: keys and link credential, made once and readable by their owner alone."""

import os
import secrets
import stat
from pathlib import Path

from ledger.errors import ConfigurationError
from ledger.keyfile import KEY_FILE_BYTES_MAX, KeyPurpose, check_private, decode_key_for, encode_key
from ledger.keys import SEED_BYTES, SigningKey
from node.storage.files import sync_directory

__all__ = ["KeyPurpose", "create_key", "load_key", "read_private", "write_private"]

PRIVATE_MODE = 0o600


def create_key(path: Path, purpose: KeyPurpose) -> SigningKey:
    """Make a key from the system's randomness and write it; raises ConfigurationError if the file exists."""
    key = SigningKey(secrets.token_bytes(SEED_BYTES))
    write_private(path, encode_key(key, purpose))
    return key


def load_key(path: Path, purpose: KeyPurpose) -> SigningKey:
    """Read a key file; raises ConfigurationError if it is missing, readable by others, damaged, or for another use."""
    return decode_key_for(purpose, read_private(path), file=path)


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, durably; raises ConfigurationError if it exists."""
    try:
        new_folder = not path.parent.exists()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        for folder in (path.parent, path.parent.parent)[: 1 + new_folder]:
            sync_directory(folder)
    except FileExistsError as error:
        raise ConfigurationError("key file", expected="a new file", got=f"{path}, which exists") from error
    except OSError as error:
        raise ConfigurationError("key file", expected=f"to write {path}", got=error.strerror) from error


def read_private(path: Path) -> bytes:
    """Read a private file; raises ConfigurationError if it is missing, too large or readable by others."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            mode = stat.S_IMODE(status.st_mode) if os.name == "posix" else None
            check_private(path, mode=mode, size=status.st_size)
            return file.read(KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise ConfigurationError("key file", expected=str(path), got=error.strerror) from error
