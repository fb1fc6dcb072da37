"""Signed requests to change state, and the bodies they may have.

There is no order between one author's transactions: a random nonce and `valid_until` do against replay what counters
would, so any validator will do and the same bytes again get the same receipt.
"""

from functools import cached_property
from typing import Annotated, TypeAlias

from msgspec import Meta

from ledger.approvals import Approvals
from ledger.blobs import BlobFacts, HoldSignature
from ledger.encoding import Noun, Purpose, decode, encode
from ledger.errors import WrongChain
from ledger.evidence import Evidence
from ledger.hashing import Digest, DigestField, sha256
from ledger.keys import PublicKeyField, SignatureField, SigningKey, verify
from ledger.membership import Change, Possessions
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.quantities import U63, VALIDATORS_MAX, EraField, HeightField, Name, RoundField
from ledger.tasks import TaskSpec

NONCE_BYTES = 16


class EnrolParticipant(Noun, frozen=True, kw_only=True, tag=1):
    """Add a training site to the registry; authored by its organisation's operator key."""

    organisation: Name
    name: Name
    key: PublicKeyField
    """Signs this participant's transactions, uploads and reads."""


class RegisterTask(Noun, frozen=True, kw_only=True, tag=2):
    """Open a learning task; authored by an organisation's operator key."""

    task: TaskSpec


class RecordBlob(Noun, frozen=True, kw_only=True, tag=3):
    """Write a blob's facts into state, on the word of a quorum of validators that hold it."""

    blob: DigestField
    size: U63
    facts: BlobFacts
    holds: Annotated[tuple[HoldSignature, ...], Meta(max_length=VALIDATORS_MAX)]
    """Sorted by validator, each once."""


class SubmitUpdate(Noun, frozen=True, kw_only=True, tag=4):
    """A participant's model update for a round."""

    task: Name
    round: RoundField
    base: DigestField
    """Digest of the global model that training started from, as the participant claims."""
    blob: DigestField
    examples: U63
    """How many examples it was trained on, as reported."""


class Withdraw(Noun, frozen=True, kw_only=True, tag=5):
    """Take back an accepted update before the round closes."""

    task: Name
    round: RoundField


class Attest(Noun, frozen=True, kw_only=True, tag=6):
    """A validator's word that the recipe, applied to the round's frozen inputs, gives these bytes."""

    task: Name
    round: RoundField
    rule: DigestField
    """`ledger.tasks.rule_digest` of the task."""
    inputs_root: DigestField
    base: DigestField
    output: DigestField
    """The global model file."""
    view: DigestField
    """Its float32 view."""
    server_state: DigestField
    """State of the server step; zero if it keeps none."""
    report: DigestField
    """The aggregation report."""


class ChangeValidators(Noun, frozen=True, kw_only=True, tag=7):
    """One change of membership with everybody's agreement; a change of the validator set ends the era."""

    era: EraField
    """The era that it was approved in; in any other the approvals are void."""
    change: Change
    possession: Possessions
    """Proofs that each new key is held: see `ledger.membership.new_keys`."""
    approvals: Approvals
    """Of the organisations that must agree: see `contracts.membership`."""


class ReportEquivocation(Noun, frozen=True, kw_only=True, tag=8):
    """Put on record what a validator has done; authored by any current validator's service key."""

    evidence: Evidence


class ActivateProtocol(Noun, frozen=True, kw_only=True, tag=9):
    """From a height on, all follow the next version of the rules; or call off what was decided."""

    serial: U63
    """Number of the decision, from 1: no approval serves for another one."""
    version: U63
    """The one after the current version, or the current one to call off."""
    height: HeightField
    """First block of the version; without meaning where it calls off."""
    approvals: Approvals
    """Of organisations that together run a quorum of the validators."""


Body: TypeAlias = (
    EnrolParticipant
    | RegisterTask
    | RecordBlob
    | SubmitUpdate
    | Withdraw
    | Attest
    | ChangeValidators
    | ReportEquivocation
    | ActivateProtocol
)


class Transaction(Noun, frozen=True, kw_only=True, dict=True):
    """A request by one author; the signature is kept beside it, and the id leaves the signature out."""

    chain_id: DigestField
    author: PublicKeyField
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    """Random, so that two equal requests are two transactions."""
    valid_until: HeightField
    """Last height whose block may contain it."""
    body: Body

    @cached_property
    def id(self) -> Digest:
        """Name of the transaction: the digest of its canonical bytes."""
        return sha256(encode(self))


class SignedTransaction(Noun, frozen=True, kw_only=True):
    """A transaction with its author's signature."""

    transaction: Transaction
    signature: SignatureField

    @classmethod
    def sign(cls, transaction: Transaction, key: SigningKey) -> "SignedTransaction":
        """Sign a transaction with its author's key."""
        assert key.public == transaction.author
        signature = key.sign(Purpose.TRANSACTION, encode(transaction), chain_id=transaction.chain_id)
        return cls(transaction=transaction, signature=signature)

    def verify(self, *, chain_id: Digest) -> Transaction:
        """Return the transaction; raises WrongChain or InvalidSignature."""
        transaction = self.transaction
        if transaction.chain_id != chain_id:
            raise WrongChain("chain id of the transaction", expected=chain_id.hex(), got=transaction.chain_id.hex())
        payload = encode(transaction)
        verify(transaction.author, self.signature, Purpose.TRANSACTION, payload, chain_id=chain_id)
        return transaction


def decode_transaction(data: bytes) -> SignedTransaction:
    """Return the signed transaction with these bytes; raises TooLarge, MalformedEncoding, NonCanonicalEncoding."""
    return decode(data, SignedTransaction, bytes_max=TRANSACTION_BYTES_MAX)
