"""Changes of membership: who runs a validator, with which keys, and who has agreed.

One change at a time, and each approval is for one era: once the validator set has changed, what was approved before is
void. A newcomer is a **learner** first: registered, linked and caught up, without a vote. Every new key proves that its
maker holds it.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta

from ledger.encoding import Noun, Purpose, encode
from ledger.hashing import Digest
from ledger.keys import PublicKey, PublicKeyField, Signature, SignatureField, SigningKey, verify
from ledger.quantities import Name, ValidatorField, ValidatorId
from ledger.validators import Address, CertificateDer, Url, Validator

POSSESSIONS_MAX = 4
"""Vote, service and log-head key, and the operator key of an organisation that is new."""


class SeatKeys(Noun, frozen=True, kw_only=True):
    """Public keys and addresses of a validator or learner."""

    vote_key: PublicKeyField
    service_key: PublicKeyField
    log_head_key: PublicKeyField
    link_certificate: CertificateDer
    link_address: Address
    """host:port where peers reach it."""
    rest_url: Url
    """Where callers reach it."""

    @property
    def signing_keys(self) -> tuple[PublicKey, ...]:
        """Return the keys that sign, in the order of proofs of possession."""
        return (self.vote_key, self.service_key, self.log_head_key)

    def validator(self, number: ValidatorId, organisation: str) -> Validator:
        """Return the validator with these keys."""
        return Validator(
            id=number,
            organisation=organisation,
            vote_key=self.vote_key,
            service_key=self.service_key,
            log_head_key=self.log_head_key,
            link_certificate=self.link_certificate,
        )


class RegisterLearner(Noun, frozen=True, kw_only=True, tag=1):
    """Give a node a number and let it follow the chain over the validators' links."""

    organisation: Name
    operator_key: PublicKeyField | None
    """Of an organisation that joins the consortium by this; None for one that is a member."""
    keys: SeatKeys


class DropLearner(Noun, frozen=True, kw_only=True, tag=2):
    """Let a learner follow no more."""

    learner: ValidatorField


class AddValidator(Noun, frozen=True, kw_only=True, tag=3):
    """Give a learner a vote."""

    learner: ValidatorField


class RemoveValidator(Noun, frozen=True, kw_only=True, tag=4):
    """Take a validator's vote, role and links."""

    validator: ValidatorField


class ReplaceValidator(Noun, frozen=True, kw_only=True, tag=5):
    """Remove a validator and add a learner at once."""

    validator: ValidatorField
    learner: ValidatorField


class RotateKeys(Noun, frozen=True, kw_only=True, tag=6):
    """Give a validator other keys or addresses; its number stays."""

    validator: ValidatorField
    keys: SeatKeys


Change: TypeAlias = RegisterLearner | DropLearner | AddValidator | RemoveValidator | ReplaceValidator | RotateKeys


Possessions = Annotated[tuple[SignatureField, ...], Meta(max_length=POSSESSIONS_MAX)]


def new_keys(change: Change) -> tuple[PublicKey, ...]:
    """Return the keys that must prove possession, in order; none where a change names none."""
    match change:
        case RegisterLearner():
            own = () if change.operator_key is None else (change.operator_key,)
            return (*change.keys.signing_keys, *own)
        case RotateKeys():
            return change.keys.signing_keys
        case _:
            return ()


def prove_possession(change: Change, key: SigningKey, *, chain_id: Digest) -> Signature:
    """Return the proof that the maker of a change holds one of its new keys."""
    return key.sign(Purpose.POSSESSION, encode(change), chain_id=chain_id)


def verify_possession(change: Change, key: PublicKey, proof: Signature, *, chain_id: Digest) -> None:
    """Raise InvalidSignature unless `key` signed the change."""
    verify(key, proof, Purpose.POSSESSION, encode(change), chain_id=chain_id)
