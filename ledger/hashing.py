"""SHA-256, the chain's only hash, and the type of its results."""

import hashlib
from typing import Annotated, NewType

from msgspec import Meta

Digest = NewType("Digest", bytes)
"""32 bytes of SHA-256."""

DigestField = Annotated[Digest, Meta(min_length=32, max_length=32)]

ZERO_DIGEST = Digest(bytes(32))
"""Stands for "none" where a digest is required: genesis' parent, the state of a server step that keeps none."""


def sha256(data: bytes) -> Digest:
    """Return the SHA-256 of `data`."""
    return Digest(hashlib.sha256(data).digest())
