"""One byte form per value: MessagePack of array-like structs, integers, bytes and restricted text; no floats.

msgspec decodes non-minimal forms too (a 16-bit integer holding 5), so `decode` encodes again and compares: 0.12 us, and
two different byte strings can never mean the same value. Every signature covers one canonical array
`(domain, protocol, purpose, chain, payload)`, never a concatenation, so bytes signed for one purpose or chain mean
nothing for another.
"""

from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from ledger.errors import MalformedEncoding, NonCanonicalEncoding, TooLarge
from ledger.hashing import Digest

DOMAIN = "quorate"
PROTOCOL_VERSION = 1

T = TypeVar("T")


class Noun(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """Base of everything that is signed, hashed or stored: immutable, positional on the wire, closed to extras."""


class Purpose(StrEnum):
    """What a signature is for; part of the bytes that are signed."""

    TRANSACTION = "transaction"
    VOTES = "votes"
    VIEW_CHANGE = "view-change"
    NEW_VIEW = "new-view"
    HOLD = "hold"
    UPLOAD = "upload"
    READ = "read"
    DESCRIPTOR = "descriptor"
    POSSESSION = "possession"
    APPROVAL = "approval"


_encoder = msgspec.msgpack.Encoder()


def encode(value: object) -> bytes:
    """Return the canonical byte form of `value`."""
    return _encoder.encode(value)


_decoders: dict[object, msgspec.msgpack.Decoder[Any]] = {}
"""One decoder a type; making one takes as long as a hundred uses."""


def decode(data: bytes, kind: type[T], *, bytes_max: int | None = None) -> T:
    """Return the value of type `kind` whose canonical form is `data`.

    Raises TooLarge before parsing when `bytes_max` is exceeded, MalformedEncoding when `data` is no encoding of `kind`,
    NonCanonicalEncoding when the value has another byte form.
    """
    if bytes_max is not None and len(data) > bytes_max:
        raise TooLarge(_name(kind), expected=f"at most {bytes_max} bytes", got=f"{len(data)} bytes")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value: T = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # No cause: its text may repeat all of the input in a traceback, ours is bounded.
        raise MalformedEncoding(_name(kind), expected="its canonical form", got=f"other bytes ({error})") from None
    if _encoder.encode(value) != data:
        raise NonCanonicalEncoding(
            _name(kind), expected=f"{len(encode(value))} canonical bytes", got=f"{len(data)} others"
        )
    return value


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


def signing_bytes(purpose: Purpose, *, chain_id: Digest, payload: bytes) -> bytes:
    """Return the bytes that a signature for `purpose` on `chain_id` covers."""
    return encode((DOMAIN, PROTOCOL_VERSION, str(purpose), chain_id, payload))


def encode_integer(value: int) -> bytes:
    """Return a non-negative integer as minimal big-endian bytes (zero is empty): for what may pass 63 bits."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_integer(data: bytes) -> int:
    """Invert `encode_integer`; raises NonCanonicalEncoding for a leading zero byte."""
    if data[:1] == b"\0":
        raise NonCanonicalEncoding("integer", expected="no leading zero byte", got=data[:4].hex())
    return int.from_bytes(data, "big")
