"""Verifies each signature once a process: what one validator has verified, n - 1 others verify again in a run.

Signatures stay real. The memo's key is everything that libsodium is given, so a hit says what libsodium would say.
"""

from collections.abc import Callable

from nacl import bindings
from nacl.exceptions import BadSignatureError

ENTRIES_MAX = 50_000
"""Of some hundred bytes each; then it begins anew."""

_open: Callable[[bytes, bytes], bytes] = bindings.crypto_sign_open
_known: dict[tuple[bytes, bytes], bytes | None] = {}


def install() -> None:
    """Let every verification of this process go through the memo."""
    setattr(bindings, "crypto_sign_open", _remembered)  # noqa: B010 - typed as a function that nobody replaces


def _remembered(signed: bytes, key: bytes) -> bytes:
    try:
        message = _known[signed, key]
    except KeyError:
        if len(_known) >= ENTRIES_MAX:
            _known.clear()
        try:
            message = _open(signed, key)
        except BadSignatureError:
            message = None
        _known[signed, key] = message
    if message is None:
        raise BadSignatureError("Signature was forged or corrupt")
    return message
