"""What state holds about members, blobs, tasks, rounds and models; `ledger.state_keys` says under which keys."""

from enum import IntEnum

from ledger.blobs import BlobFacts, Fate
from ledger.encoding import Noun
from ledger.evidence import Offence
from ledger.hashing import DigestField
from ledger.keys import PublicKeyField
from ledger.quantities import (
    U16,
    U63,
    EraField,
    HeightField,
    Name,
    ParticipantField,
    RoundField,
    TimeField,
    ValidatorField,
    VersionField,
)
from ledger.tasks import Invitation, TaskSpec
from ledger.transactions import Attest
from ledger.validators import Address, Url, Validator


class KeyRole(IntEnum):
    """What a key on chain may sign."""

    OPERATOR = 1
    """Governance of its organisation: enrolment and tasks."""
    SERVICE = 2
    """A validator's transactions and HOLDs."""
    PARTICIPANT = 3
    """A training site's updates."""


class KeyRecord(Noun, frozen=True, kw_only=True):
    """A public key that may author transactions."""

    role: KeyRole
    organisation: Name
    subject: U63
    """Validator or participant number; zero for an operator."""


class OrganisationRecord(Noun, frozen=True, kw_only=True):
    """A member of the consortium."""

    name: Name
    operator_key: PublicKeyField


class SeatStatus(IntEnum):
    """What a number in the registry of validators stands for now."""

    LEARNER = 1
    """Follows the chain over the validators' links, without a vote."""
    VALIDATOR = 2
    """Member of the validator set."""
    LEFT = 3
    """Neither any more; the number is never given again."""


class SeatRecord(Noun, frozen=True, kw_only=True):
    """A validator or learner, past ones included: its newest keys, where it is reached, and what it is."""

    member: Validator
    link_address: Address
    rest_url: Url
    status: SeatStatus
    since: HeightField
    """Height of the block that gave it this status, or these keys."""


class ProtocolRecord(Noun, frozen=True, kw_only=True):
    """The last decision about the version of the rules; `ChainParameters.protocol` is the version in force."""

    serial: U63
    version: U63
    height: HeightField
    """First block of the version; passed once it is in force."""


class ParticipantRecord(Noun, frozen=True, kw_only=True):
    """A training site."""

    participant: ParticipantField
    organisation: Name
    name: Name
    key: PublicKeyField
    enrolled: HeightField


class BlobRecord(Noun, frozen=True, kw_only=True):
    """A blob that a quorum of validators holds."""

    size: U63
    facts: BlobFacts
    recorded: HeightField


class TaskStatus(IntEnum):
    """Where a task stands."""

    RUNNING = 1
    FINISHED = 2
    HALTED = 3


class TaskRecord(Noun, frozen=True, kw_only=True):
    """A registered task and its progress."""

    spec: TaskSpec
    registered: HeightField
    status: TaskStatus
    round: RoundField
    """The current round, or the last one."""
    version: VersionField
    """Of the promoted global model."""
    model: DigestField
    """The promoted global model: base of the next round."""


class RoundStatus(IntEnum):
    """Where a round stands."""

    OPEN = 1
    CLOSED = 2
    DECIDED = 3
    VOID = 4


class RoundRecord(Noun, frozen=True, kw_only=True):
    """A training round; invitations and validator set are those of its opening."""

    task: Name
    round: RoundField
    status: RoundStatus
    base: DigestField
    base_version: VersionField
    invited: tuple[Invitation, ...]
    opened_height: HeightField
    opened_time: TimeField
    deadline: TimeField
    """Time at or after which the first block closes the round."""
    accepted: U16 = 0
    """Participants with an accepted update."""
    closed_height: HeightField | None = None
    inputs_root: DigestField | None = None
    era: EraField | None = None
    """Era at the close, whose validators the committee is drawn from."""
    committee: tuple[ValidatorField, ...] = ()
    """In order of rank; empty until drawn, in the block after the closing one."""
    attempt: U16 = 0
    """1 while the committee attests, 2 once every validator may."""
    attempt_deadline: TimeField | None = None
    decided_height: HeightField | None = None
    model: DigestField | None = None


class ParticipationRecord(Noun, frozen=True, kw_only=True):
    """What one invited participant has done in one round, and in the end its fate."""

    attempts: U16 = 0
    """Refused updates."""
    blob: DigestField | None = None
    """Its accepted update."""
    transaction: DigestField | None = None
    """Id of the transaction that brought it."""
    examples: U63 = 0
    """As reported."""
    weight: U63 = 0
    """Fixed at the close; zero before."""
    withdrawn: bool = False
    late: bool = False
    fate: Fate | None = None
    """Set once the round is decided or void."""


class AttestationRecord(Noun, frozen=True, kw_only=True):
    """One validator's attestation of one round."""

    attestation: Attest
    height: HeightField


class GlobalModelRecord(Noun, frozen=True, kw_only=True):
    """A global model: version 0 is the initial one, each later one belongs to the round that made it."""

    task: Name
    version: VersionField
    round: RoundField
    """Zero for the initial model."""
    height: HeightField
    """Block that holds the deciding attestation: the global model block."""
    base: DigestField
    """Model it was made from; zero for the initial one."""
    model: DigestField
    view: DigestField
    server_state: DigestField
    report: DigestField
    """Zero for the initial model, as are the next two."""
    inputs_root: DigestField
    rule: DigestField
    attesters: tuple[ValidatorField, ...]
    """Validators whose equal attestations decided."""


class OffenceRecord(Noun, frozen=True, kw_only=True):
    """What a validator is proven to have done; the evidence is in the transaction."""

    offence: Offence
    reporter: ValidatorField
    """Validator whose transaction brought the evidence."""
    recorded: HeightField
    transaction: DigestField
    """Id of that transaction."""


class EraRecord(Noun, frozen=True, kw_only=True):
    """An era that is over: what was signed in it is judged by its validators."""

    first_height: HeightField
    last_height: HeightField
    validators: tuple[Validator, ...]
    """Sorted by number."""


class EvidenceCount(Noun, frozen=True, kw_only=True):
    """How many offences the last block that recorded any has recorded."""

    height: HeightField
    count: U63
