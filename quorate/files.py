"""Files that commands are given and make: sizes are checked before reading, nothing is ever overwritten."""

import hashlib
from pathlib import Path

from ledger.errors import ConfigurationError
from ledger.hashing import Digest
from ledger.keyfile import KeyPurpose, decode_key
from ledger.keys import SigningKey
from node.keystore import read_private

FILE_BYTES_MAX = 2**31
"""Largest file that is read whole: the largest blob that chains record by default."""


def read_file(file: Path, *, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Return a file's bytes; raises ConfigurationError."""
    try:
        size = file.stat().st_size
        if size > bytes_max:
            raise ConfigurationError(f"size of {file}", expected=f"at most {bytes_max} bytes", got=size)
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"file {file}", expected="one to read", got=error.strerror) from error


def digest_of_file(file: Path) -> Digest:
    """Return the SHA-256 of a file of any size; raises ConfigurationError."""
    try:
        with file.open("rb") as opened:
            return Digest(hashlib.file_digest(opened, "sha256").digest())
    except OSError as error:
        raise ConfigurationError(f"file {file}", expected="one to read", got=error.strerror) from error


def write_new_file(file: Path, data: bytes | memoryview) -> None:
    """Write a file that is not there yet; raises ConfigurationError."""
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as error:
        raise ConfigurationError("file to write", expected=f"a new file {file}", got=error.strerror) from error


def claim_folder(folder: Path) -> None:
    """Make a folder, which must be new or empty; raises ConfigurationError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise ConfigurationError("folder to write", expected=f"a new folder {folder}", got=error.strerror) from error
    if occupied:
        raise ConfigurationError("folder to write", expected="a new or empty one", got=folder)


def load_any_key(file: Path) -> tuple[KeyPurpose, SigningKey]:
    """Return a key and what it is for; raises ConfigurationError."""
    return decode_key(read_private(file), file=file)
