"""Keys of the state map: one function a kind of record, so that nobody else builds a key from parts.

Numbers are fixed-width big-endian: scanning a prefix then visits records in the order that rules speak of.
"""

from ledger.evidence import Offence
from ledger.hashing import Digest
from ledger.keys import PublicKey
from ledger.quantities import Era, Height, ModelVersion, ParticipantId, RoundNumber, TimeMs, ValidatorId

PARAMETERS = b"parameters"
VALIDATORS = b"validators"
"""The current set: tuple of Validator."""
ERA = b"era"
"""(era, its first height)."""
PROTOCOL = b"protocol"
"""ProtocolRecord; none before the first decision."""
PARTICIPANTS_COUNT = b"participants"
"""Registry numbers given so far."""
SEATS_COUNT = b"seats"
"""Numbers of validators and learners given so far; they run from 0."""
TASKS_OPEN = b"tasks-open"
"""Number of running tasks."""
EVIDENCE_COUNT = b"evidence-count"
"""EvidenceCount."""

USED_PREFIX = b"used/"
DUE_PREFIX = b"due/"
BLOB_PREFIX = b"blob/"
TASK_PREFIX = b"task/"
ORGANISATION_PREFIX = b"organisation/"
PARTICIPANT_PREFIX = b"participant/"
SEAT_PREFIX = b"seat/"
OFFENCE_PREFIX = b"offence/"


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def key(public: PublicKey) -> bytes:
    """KeyRecord of a public key."""
    return b"key/" + public


def seat(number: ValidatorId) -> bytes:
    """SeatRecord."""
    return SEAT_PREFIX + _number(number)


def seat_key(name: Digest) -> bytes:
    """Seat that a key or certificate belongs to, or once belonged to, by its digest."""
    return b"seat-key/" + name


def organisation(name: str) -> bytes:
    """OrganisationRecord."""
    return ORGANISATION_PREFIX + name.encode()


def participant(number: ParticipantId) -> bytes:
    """ParticipantRecord."""
    return PARTICIPANT_PREFIX + _number(number)


def participant_name(organisation_name: str, name: str) -> bytes:
    """Registry number of a participant, by organisation and name."""
    return b"participant-name/" + organisation_name.encode() + b"/" + name.encode()


def used(valid_until: Height, transaction: Digest) -> bytes:
    """Mark of a used transaction id, kept until it has expired."""
    return USED_PREFIX + _number(valid_until) + transaction


def blob(digest: Digest) -> bytes:
    """BlobRecord."""
    return BLOB_PREFIX + digest


def task(name: str) -> bytes:
    """TaskRecord."""
    return TASK_PREFIX + name.encode()


def round_(name: str, number: RoundNumber) -> bytes:
    """RoundRecord."""
    return b"round/" + name.encode() + b"/" + _number(number)


def participation_prefix(name: str, number: RoundNumber) -> bytes:
    """Prefix of a round's ParticipationRecords."""
    return b"participation/" + name.encode() + b"/" + _number(number) + b"/"


def participation(name: str, number: RoundNumber, who: ParticipantId) -> bytes:
    """ParticipationRecord."""
    return participation_prefix(name, number) + _number(who)


def attestation_prefix(name: str, number: RoundNumber) -> bytes:
    """Prefix of a round's AttestationRecords."""
    return b"attestation/" + name.encode() + b"/" + _number(number) + b"/"


def attestation(name: str, number: RoundNumber, who: ValidatorId) -> bytes:
    """AttestationRecord."""
    return attestation_prefix(name, number) + _number(who)


def model(name: str, version: ModelVersion) -> bytes:
    """GlobalModelRecord."""
    return b"model/" + name.encode() + b"/" + _number(version)


def past_era(number: Era) -> bytes:
    """EraRecord."""
    return b"past-era/" + _number(number)


def offence(named: Offence) -> bytes:
    """OffenceRecord; they sort by era and offender."""
    numbers = (named.era, named.offender, named.kind, named.view, named.height)
    return OFFENCE_PREFIX + b"".join(map(_number, numbers))


def offences_count(era: Era, offender: ValidatorId) -> bytes:
    """How many offences of a validator in an era are recorded."""
    return b"offences/" + _number(era) + _number(offender)


def due(when: TimeMs, name: str, number: RoundNumber) -> bytes:
    """Mark of an action that is due at a time; its value says which."""
    return DUE_PREFIX + _number(when) + name.encode() + b"/" + _number(number)


def due_time(due_key: bytes) -> TimeMs:
    """Return the time in a key made by `due`."""
    start = len(DUE_PREFIX)
    return TimeMs(int.from_bytes(due_key[start : start + 8], "big"))
