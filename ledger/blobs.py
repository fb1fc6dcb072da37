"""Blobs: the large things that live beside the chain, and the signed statements that make them count.

A validator that has stored a blob durably and computed its facts signs a HOLD; a `RecordBlob` transaction carries a
quorum of equal ones. Contracts judge by facts in state alone, so no vote ever depends on holding a blob.
"""

from enum import IntEnum
from typing import Annotated, TypeAlias

from msgspec import Meta

from ledger.encoding import Noun, Purpose, decode_integer, encode
from ledger.errors import WrongChain
from ledger.hashing import Digest, DigestField
from ledger.keys import PublicKey, PublicKeyField, Signature, SignatureField, SigningKey, verify
from ledger.quantities import U16, U63, EraField, HeightField, Name, ParticipantField, RoundField, ValidatorField


class Codec(IntEnum):
    """How an update's integers are stored."""

    I32 = 1
    """One int32 per coordinate."""


class Fate(IntEnum):
    """What became of an invited participant in a round; exactly one each."""

    USED = 1
    """Its update is part of the global model."""
    CUT = 2
    """Accepted, and given no influence by the rule."""
    REJECTED = 3
    """Everything it sent was refused by a contract."""
    LATE = 4
    """It sent something, after the round had closed."""
    ABSENT = 5
    """It sent nothing."""
    WITHDRAWN = 6
    """It took its update back before the close."""
    REMOVED = 7
    """It lost its place in the registry during the round."""
    UNUSED = 8
    """Accepted, but the round ended void."""


class FateRecord(Noun, frozen=True, kw_only=True):
    """One participant's fate in one round."""

    participant: ParticipantField
    fate: Fate


class LayoutFacts(Noun, frozen=True, kw_only=True, tag=1):
    """Of a layout: what registration needs to know."""

    tensors: U63
    weight_elements: U63
    statistic_elements: U63
    frozen_elements: U63
    exponent_min: U16
    exponent_max: U16


class ModelFacts(Noun, frozen=True, kw_only=True, tag=2):
    """Of a global model file."""

    layout: DigestField
    """Layout that it fits exactly."""
    view: DigestField
    """Digest of its canonical float32 view."""
    magnitude_max: U63
    """Largest absolute value, in units of 2^-32."""


class UpdateFacts(Noun, frozen=True, kw_only=True, tag=3):
    """Of an update file."""

    layout: DigestField
    """Layout that it fits exactly."""
    codec: Codec
    norm_squared: Annotated[bytes, Meta(max_length=32)]
    """Squared l2 norm over the weights, minimal big-endian, in units of 2^-60."""
    value_max: U63
    """Largest absolute stored integer."""

    def __post_init__(self) -> None:
        """Raise NonCanonicalEncoding unless the norm is in its one byte form."""
        decode_integer(self.norm_squared)


class ReportFacts(Noun, frozen=True, kw_only=True, tag=4):
    """Of an aggregation report: the fates it assigns to the round's accepted inputs."""

    task: Name
    round: RoundField
    inputs_root: DigestField
    fates: tuple[FateRecord, ...]
    """Used or cut, for each accepted input, by participant number."""


BlobFacts: TypeAlias = LayoutFacts | ModelFacts | UpdateFacts | ReportFacts


class Hold(Noun, frozen=True, kw_only=True):
    """What a validator states about a blob: I keep it, and these are its facts."""

    era: EraField
    blob: DigestField
    size: U63
    facts: BlobFacts

    def sign(self, key: SigningKey, *, chain_id: Digest) -> Signature:
        """Return the signature of the service key `key`."""
        return key.sign(Purpose.HOLD, encode(self), chain_id=chain_id)

    def verify(self, key: PublicKey, signature: Signature, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless the service key `key` signed this."""
        verify(key, signature, Purpose.HOLD, encode(self), chain_id=chain_id)


class HoldSignature(Noun, frozen=True, kw_only=True):
    """One validator's signature on a HOLD."""

    validator: ValidatorField
    signature: SignatureField


class UploadTicket(Noun, frozen=True, kw_only=True):
    """Leave to upload one blob, signed by a key on chain; a blob not recorded by `expires` is deleted."""

    chain_id: DigestField
    author: PublicKeyField
    blob: DigestField
    size: U63
    layout: DigestField
    """Layout that a model or update is to be checked against; zero for layouts and reports."""
    expires: HeightField


class ReadRequest(Noun, frozen=True, kw_only=True):
    """Leave to read one blob, signed by a key on chain."""

    chain_id: DigestField
    author: PublicKeyField
    blob: DigestField
    expires: HeightField


class SignedTicket(Noun, frozen=True, kw_only=True):
    """An upload ticket with its author's signature."""

    ticket: UploadTicket
    signature: SignatureField

    @classmethod
    def sign(cls, ticket: UploadTicket, key: SigningKey) -> "SignedTicket":
        """Sign a ticket with its author's key."""
        assert key.public == ticket.author
        signature = key.sign(Purpose.UPLOAD, encode(ticket), chain_id=ticket.chain_id)
        return cls(ticket=ticket, signature=signature)

    def verify(self, *, chain_id: Digest) -> UploadTicket:
        """Return the ticket; raises WrongChain or InvalidSignature."""
        _check_chain(self.ticket.chain_id, chain_id)
        verify(self.ticket.author, self.signature, Purpose.UPLOAD, encode(self.ticket), chain_id=chain_id)
        return self.ticket


class SignedReadRequest(Noun, frozen=True, kw_only=True):
    """A read request with its author's signature."""

    request: ReadRequest
    signature: SignatureField

    @classmethod
    def sign(cls, request: ReadRequest, key: SigningKey) -> "SignedReadRequest":
        """Sign a request with its author's key."""
        assert key.public == request.author
        signature = key.sign(Purpose.READ, encode(request), chain_id=request.chain_id)
        return cls(request=request, signature=signature)

    def verify(self, *, chain_id: Digest) -> ReadRequest:
        """Return the request; raises WrongChain or InvalidSignature."""
        _check_chain(self.request.chain_id, chain_id)
        verify(self.request.author, self.signature, Purpose.READ, encode(self.request), chain_id=chain_id)
        return self.request


def _check_chain(named: Digest, expected: Digest) -> None:
    if named != expected:
        raise WrongChain("chain id", expected=expected.hex(), got=named.hex())
