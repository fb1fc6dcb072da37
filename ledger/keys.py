"""Ed25519 (RFC 8032) through libsodium alone.

OpenSSL accepts some degenerate signatures that libsodium refuses, so a network that mixed the two could fork; every
signature that may be judged is made and checked here. Keys are made elsewhere: nothing here draws randomness.
"""

from typing import Annotated, NewType

from msgspec import Meta
from nacl import bindings
from nacl.exceptions import BadSignatureError

from ledger.encoding import Purpose, signing_bytes
from ledger.errors import InputError, InvalidSignature
from ledger.hashing import Digest

PublicKey = NewType("PublicKey", bytes)
"""32 bytes, an Ed25519 public key."""
Signature = NewType("Signature", bytes)
"""64 bytes, an Ed25519 signature."""

PublicKeyField = Annotated[PublicKey, Meta(min_length=32, max_length=32)]
SignatureField = Annotated[Signature, Meta(min_length=64, max_length=64)]

SEED_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64


class SigningKey:
    """A private key. Its seed never appears in `repr`, logs or errors."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise InputError("seed of a signing key", expected=f"{SEED_BYTES} bytes", got=f"{len(seed)} bytes")
        public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.public = PublicKey(public)

    def sign(self, purpose: Purpose, payload: bytes, *, chain_id: Digest) -> Signature:
        """Sign `payload` for one purpose on one chain; the same input always gives the same bytes."""
        message = signing_bytes(purpose, chain_id=chain_id, payload=payload)
        return Signature(bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES])

    def seed(self) -> bytes:
        """Return the secret seed, for storing the key; the one way to get it out."""
        return self._secret[:SEED_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


def verify(key: PublicKey, signature: Signature, purpose: Purpose, payload: bytes, *, chain_id: Digest) -> None:
    """Raise InvalidSignature unless `signature` is `key`'s over `payload` for `purpose` on `chain_id`."""
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature(
            f"{purpose} signature",
            expected=f"a key of {KEY_BYTES} and a signature of {SIGNATURE_BYTES} bytes",
            got=f"{len(key)} and {len(signature)}",
        )
    message = signing_bytes(purpose, chain_id=chain_id, payload=payload)
    try:
        bindings.crypto_sign_open(signature + message, key)
    except BadSignatureError as error:
        raise InvalidSignature(f"{purpose} signature", expected=f"one by key {key.hex()}", got="another") from error
