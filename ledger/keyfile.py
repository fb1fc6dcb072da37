"""The text of a key file: one signing key, and what it is for. Reading and writing files is the caller's.

A file that group or others may read is refused, not repaired: whoever could read it may have done so.
"""

from enum import StrEnum

import msgspec

from ledger.errors import ConfigurationError, InputError
from ledger.keys import SigningKey

KEY_FORMAT = "quorate-key-1"
KEY_FILE_BYTES_MAX = 4_096


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


def encode_key(key: SigningKey, purpose: KeyPurpose) -> bytes:
    """Return the content of a key file."""
    document = _KeyFile(format=KEY_FORMAT, purpose=purpose, public=key.public.hex(), seed=key.seed().hex())
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode_key(data: bytes, *, file: object) -> tuple[KeyPurpose, SigningKey]:
    """Return what a key file holds; raises ConfigurationError, which names `file`, if it is damaged."""
    try:
        document = msgspec.json.decode(data, type=_KeyFile)
        key = SigningKey(bytes.fromhex(document.seed))
    except (msgspec.DecodeError, ValueError, InputError):
        # The cause is dropped: its text could repeat the file.
        raise ConfigurationError(f"key file {file}", expected=KEY_FORMAT, got="something else") from None
    if document.format != KEY_FORMAT or key.public.hex() != document.public:
        raise ConfigurationError(f"key file {file}", expected=f"a whole {KEY_FORMAT}", got="a damaged one")
    return document.purpose, key


def decode_key_for(purpose: KeyPurpose, data: bytes, *, file: object) -> SigningKey:
    """Return the key in a key file; raises as `decode_key`, and for a key of another purpose."""
    found, key = decode_key(data, file=file)
    if found is not purpose:
        raise ConfigurationError(f"key file {file}", expected=f"one for {purpose}", got=f"one for {found}")
    return key


def check_private(file: object, *, mode: int | None, size: int) -> None:
    """Raise ConfigurationError unless a file is its owner's alone and not too large; ask before reading it."""
    check_mode(file, mode)
    if size > KEY_FILE_BYTES_MAX:
        raise ConfigurationError(f"size of {file}", expected=f"at most {KEY_FILE_BYTES_MAX} bytes", got=size)


def check_mode(file: object, mode: int | None) -> None:
    """Raise ConfigurationError unless a file is its owner's alone, where the system has modes."""
    if mode is not None and mode & 0o077:
        raise ConfigurationError(f"mode of {file}", expected="0600 (chmod 600)", got=f"{mode:04o}")
