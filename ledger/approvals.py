"""Approvals: signatures of operator keys under one proposal that changes what all validators must do alike.

A proposal is the body of a transaction with its `approvals` left empty; each operator signs its canonical bytes. The
tag in them says what kind of proposal it is, so an approval of one kind means nothing for another, and whoever
collects the signatures may bring them. `contracts.approvals` says how many count. ChangeValidators and
ActivateProtocol share this.
"""

from typing import Annotated, Protocol

from msgspec import Meta
from msgspec.structs import replace

from ledger.encoding import Noun, Purpose, encode
from ledger.hashing import Digest
from ledger.keys import PublicKeyField, SignatureField, SigningKey, verify
from ledger.quantities import VALIDATORS_MAX


class Approval(Noun, frozen=True, kw_only=True):
    """One organisation's consent to a proposal."""

    key: PublicKeyField
    """Its operator key."""
    signature: SignatureField
    """Over the proposal, for one chain."""

    @classmethod
    def sign(cls, proposal: bytes, key: SigningKey, *, chain_id: Digest) -> "Approval":
        """Approve what `proposal_of` returned, with an operator key."""
        return cls(key=key.public, signature=key.sign(Purpose.APPROVAL, proposal, chain_id=chain_id))

    def verify(self, proposal: bytes, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless the key approved these very bytes on this chain."""
        verify(self.key, self.signature, Purpose.APPROVAL, proposal, chain_id=chain_id)


Approvals = Annotated[tuple[Approval, ...], Meta(max_length=VALIDATORS_MAX)]
"""Sorted by key, each once; no more organisations than validators can count."""


class Approvable(Protocol):
    """A transaction body that carries approvals."""

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """Consents to everything else in the body."""


def proposal_of(body: Approvable) -> bytes:
    """Return what operators sign: the canonical bytes of the body without its approvals."""
    return encode(replace(body, approvals=()))  # type: ignore[type-var] # every body is a Noun


def approved(body: Approvable, keys: tuple[SigningKey, ...], *, chain_id: Digest) -> tuple[Approval, ...]:
    """Return the approvals of a body by these operator keys, in the order that contracts ask for."""
    proposal = proposal_of(body)
    ordered = sorted(keys, key=lambda key: key.public)
    return tuple(Approval.sign(proposal, key, chain_id=chain_id) for key in ordered)
