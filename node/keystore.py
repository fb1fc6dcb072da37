"""Key files: one signing key each, readable by their owner alone.

A file that group or others may read is refused, not repaired: whoever could read it may have done so.
"""

import os
import secrets
import stat
from enum import StrEnum
from pathlib import Path

import msgspec

from ledger.errors import ConfigurationError
from ledger.keys import SEED_BYTES, SigningKey

KEY_FORMAT = "quorate-key-1"
KEY_FILE_BYTES_MAX = 4_096
PRIVATE_MODE = 0o600


class KeyPurpose(StrEnum):
    """What a key is for; a file says it, so that a key is never used for two things by mistake."""

    VOTE = "vote"
    SERVICE = "service"
    LOG_HEAD = "log-head"
    OPERATOR = "operator"
    PARTICIPANT = "participant"


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    purpose: KeyPurpose
    public: str
    seed: str


def create_key(path: Path, purpose: KeyPurpose) -> SigningKey:
    """Make a key from the system's randomness and write it; raises ConfigurationError if the file exists."""
    key = SigningKey(secrets.token_bytes(SEED_BYTES))
    document = _KeyFile(format=KEY_FORMAT, purpose=purpose, public=key.public.hex(), seed=key.seed().hex())
    write_private(path, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return key


def load_key(path: Path, purpose: KeyPurpose) -> SigningKey:
    """Read a key file; raises ConfigurationError if it is missing, readable by others, damaged, or for another use."""
    try:
        document = msgspec.json.decode(read_private(path), type=_KeyFile)
        key = SigningKey(bytes.fromhex(document.seed))
    except (msgspec.DecodeError, ValueError):
        # The cause is dropped: its text could repeat the file.
        raise ConfigurationError(f"key file {path}", expected=KEY_FORMAT, got="something else") from None
    if document.format != KEY_FORMAT or key.public.hex() != document.public:
        raise ConfigurationError(f"key file {path}", expected=f"a whole {KEY_FORMAT}", got="a damaged one")
    if document.purpose is not purpose:
        raise ConfigurationError(f"key file {path}", expected=f"a {purpose} key", got=f"a {document.purpose} key")
    return key


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, durably; raises ConfigurationError if it exists."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    except FileExistsError as error:
        raise ConfigurationError("key file", expected="a new file", got=f"{path}, which exists") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> bytes:
    """Read a private file; raises ConfigurationError if it is missing, too large or readable by others."""
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
