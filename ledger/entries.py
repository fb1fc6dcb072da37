"""Log entries: every transaction and every action of the chain itself, each with the receipt of its verdict.

The log's leaves are entries, so an inclusion proof shows not only that a transaction was included but how it was
judged. Receipts carry a rule's number and integers, never text: the words live in the explorer.
"""

from enum import IntEnum
from functools import cached_property
from typing import Annotated, TypeAlias

from msgspec import Meta

from ledger.blobs import FateRecord
from ledger.encoding import Noun, encode
from ledger.hashing import Digest, DigestField
from ledger.merkle import leaf_hash
from ledger.quantities import U16, U63, HeightField, Name, RoundField, ValidatorField, VersionField
from ledger.transactions import SignedTransaction

RuleNumber = Annotated[str, Meta(pattern=r"\A[A-Z][1-9][0-9]?\Z")]
"""Number of a contract's rule, such as U4; `contracts` lists them and the explorer has the words."""


class VoidReason(IntEnum):
    """Why a round ended without a global model."""

    TOO_FEW_UPDATES = 1
    """Fewer accepted inputs than max(updates_min, 2b+1)."""
    NOT_ATTESTED = 2
    """No f+1 equal attestations before the second attempt's deadline."""


class RoundClosed(Noun, frozen=True, kw_only=True, tag=1):
    """A round's inputs are frozen."""

    task: Name
    round: RoundField
    inputs: U16
    """Accepted updates."""
    inputs_root: DigestField


class CommitteeDrawn(Noun, frozen=True, kw_only=True, tag=2):
    """The validators that are to aggregate, by sortition from the closing block's digest."""

    task: Name
    round: RoundField
    members: tuple[ValidatorField, ...]
    """In order of rank."""


class SecondAttempt(Noun, frozen=True, kw_only=True, tag=3):
    """The committee's time has passed: from now on every validator may attest."""

    task: Name
    round: RoundField


class RoundDecided(Noun, frozen=True, kw_only=True, tag=4):
    """f+1 equal attestations made a global model."""

    task: Name
    round: RoundField
    version: VersionField
    model: DigestField
    fates: tuple[FateRecord, ...]
    """One per invited participant, by participant number."""


class RoundVoided(Noun, frozen=True, kw_only=True, tag=5):
    """The round ended without a global model; the base stays."""

    task: Name
    round: RoundField
    reason: VoidReason
    fates: tuple[FateRecord, ...]
    """One per invited participant, by participant number."""


class RoundOpened(Noun, frozen=True, kw_only=True, tag=6):
    """Updates for this round may be submitted from now on."""

    task: Name
    round: RoundField
    base: DigestField


class TaskFinished(Noun, frozen=True, kw_only=True, tag=7):
    """The last round has ended."""

    task: Name


class TaskHalted(Noun, frozen=True, kw_only=True, tag=8):
    """Two different outputs of one round have f+1 attestations each: more than f validators are Byzantine."""

    task: Name
    round: RoundField


class ProtocolActivated(Noun, frozen=True, kw_only=True, tag=9):
    """The next block is the first one of this version of the rules."""

    version: U63


SystemAction: TypeAlias = (
    RoundClosed
    | CommitteeDrawn
    | SecondAttempt
    | RoundDecided
    | RoundVoided
    | RoundOpened
    | TaskFinished
    | TaskHalted
    | ProtocolActivated
)


class Accepted(Noun, frozen=True, kw_only=True, tag=0):
    """The transaction took effect."""

    values: tuple[U63, ...] = ()
    """What the contract returns, such as the registry number of an enrolled participant."""


class Rejected(Noun, frozen=True, kw_only=True, tag=1):
    """A rule refused the transaction; its id is used up all the same."""

    rule: RuleNumber
    values: tuple[U63, ...] = ()
    """The integers that were compared, in the order that the rule's words name them."""


Verdict: TypeAlias = Accepted | Rejected


class Receipt(Noun, frozen=True, kw_only=True):
    """Where an entry stands and how it was judged."""

    height: HeightField
    position: U63
    """Place among the block's entries, from 0."""
    verdict: Verdict


class TransactionEntry(Noun, frozen=True, kw_only=True, tag=0, dict=True):
    """A transaction with its receipt."""

    signed: SignedTransaction
    receipt: Receipt

    @cached_property
    def data(self) -> bytes:
        """Canonical bytes: what the log's leaf is the hash of."""
        return encode(self)

    @property
    def leaf(self) -> Digest:
        """Leaf hash in the log."""
        return leaf_hash(self.data)


class ActionEntry(Noun, frozen=True, kw_only=True, tag=1, dict=True):
    """An action of the chain itself, with its receipt."""

    action: SystemAction
    receipt: Receipt

    @cached_property
    def data(self) -> bytes:
        """Canonical bytes: what the log's leaf is the hash of."""
        return encode(self)

    @property
    def leaf(self) -> Digest:
        """Leaf hash in the log."""
        return leaf_hash(self.data)


Entry: TypeAlias = TransactionEntry | ActionEntry
