"""Typed reads of state: the only place that knows which noun stands under which key.

Contracts, the node's REST interface and the explorer all read state through these functions.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

from ledger import state_keys
from ledger.blobs import LayoutFacts, ModelFacts, ReportFacts, UpdateFacts
from ledger.encoding import decode
from ledger.evidence import EraMembers, Offence
from ledger.hashing import Digest, sha256
from ledger.keys import PublicKey
from ledger.parameters import ChainParameters
from ledger.quantities import (
    U63,
    Era,
    EraField,
    Height,
    HeightField,
    ModelVersion,
    ParticipantField,
    ParticipantId,
    RoundNumber,
    ValidatorField,
    ValidatorId,
)
from ledger.records import (
    AttestationRecord,
    BlobRecord,
    EraRecord,
    EvidenceCount,
    GlobalModelRecord,
    KeyRecord,
    OffenceRecord,
    OrganisationRecord,
    ParticipantRecord,
    ParticipationRecord,
    ProtocolRecord,
    RoundRecord,
    SeatRecord,
    TaskRecord,
)
from ledger.state import StateView
from ledger.validators import Validator, ValidatorSet

T = TypeVar("T")
Facts = TypeVar("Facts", LayoutFacts, ModelFacts, UpdateFacts, ReportFacts)


def parameters(state: StateView) -> ChainParameters:
    """Return the chain's parameters."""
    return _parameters(_must(state.get(state_keys.PARAMETERS)))


def protocol(state: StateView) -> ProtocolRecord | None:
    """Return the last decision about the version of the rules."""
    return _read(state, state_keys.PROTOCOL, ProtocolRecord)


def validators(state: StateView) -> ValidatorSet:
    """Return the current validator set."""
    return _validators(_must(state.get(state_keys.VALIDATORS)))


def era(state: StateView) -> tuple[Era, Height]:
    """Return the current era and its first height."""
    return _must(_read(state, state_keys.ERA, tuple[EraField, HeightField]))


def era_members(state: StateView, number: Era) -> EraMembers | None:
    """Return what evidence of an era is judged by, if the chain has had that era."""
    current, first_height = era(state)
    if number == current:
        return EraMembers(era=current, first_height=first_height, last_height=None, validators=validators(state))
    past = _read(state, state_keys.past_era(number), EraRecord)
    if past is None:
        return None
    return EraMembers(
        era=number,
        first_height=past.first_height,
        last_height=past.last_height,
        validators=ValidatorSet(past.validators),
    )


def organisation(state: StateView, name: str) -> OrganisationRecord | None:
    """Return a member of the consortium by its name."""
    return _read(state, state_keys.organisation(name), OrganisationRecord)


def organisations(state: StateView) -> Iterator[OrganisationRecord]:
    """Yield the members of the consortium by name."""
    return _all(state, state_keys.ORGANISATION_PREFIX, OrganisationRecord)


def key_record(state: StateView, public: PublicKey) -> KeyRecord | None:
    """Return what a key on chain may sign."""
    data = state.get(state_keys.key(public))
    return None if data is None else _key_record(data)


def seats_count(state: StateView) -> int:
    """Return how many numbers of validators and learners have been given; they run from 0."""
    return _must(_read(state, state_keys.SEATS_COUNT, U63))


def seat(state: StateView, number: ValidatorId) -> SeatRecord | None:
    """Return a validator or learner, past ones included, by its number."""
    return _read(state, state_keys.seat(number), SeatRecord)


def seats(state: StateView) -> Iterator[SeatRecord]:
    """Yield all validators and learners by number, past ones included."""
    return _all(state, state_keys.SEAT_PREFIX, SeatRecord)


def seat_of_key(state: StateView, key: bytes) -> ValidatorId | None:
    """Return the number that a key or link certificate belongs to, or once belonged to."""
    return _read(state, state_keys.seat_key(sha256(key)), ValidatorField)


def participants_count(state: StateView) -> int:
    """Return how many registry numbers have been given; they run from 1."""
    return _read(state, state_keys.PARTICIPANTS_COUNT, U63) or 0


def participant(state: StateView, number: ParticipantId) -> ParticipantRecord | None:
    """Return a participant by its registry number."""
    return _read(state, state_keys.participant(number), ParticipantRecord)


def participant_number(state: StateView, organisation_name: str, name: str) -> ParticipantId | None:
    """Return the registry number of a participant."""
    return _read(state, state_keys.participant_name(organisation_name, name), ParticipantField)


def participants(state: StateView) -> Iterator[ParticipantRecord]:
    """Yield all participants by registry number."""
    return _all(state, state_keys.PARTICIPANT_PREFIX, ParticipantRecord)


def blob(state: StateView, digest: Digest) -> BlobRecord | None:
    """Return what is recorded about a blob."""
    return _read(state, state_keys.blob(digest), BlobRecord)


def blobs(state: StateView) -> Iterator[tuple[Digest, BlobRecord]]:
    """Yield all recorded blobs by digest."""
    start = len(state_keys.BLOB_PREFIX)
    return ((Digest(key[start:]), decode(value, BlobRecord)) for key, value in state.scan(state_keys.BLOB_PREFIX))


def blob_facts(state: StateView, digest: Digest, kind: type[Facts]) -> Facts | None:
    """Return the facts of a blob if it is recorded and of this kind."""
    record = blob(state, digest)
    return record.facts if record is not None and isinstance(record.facts, kind) else None


def tasks_open(state: StateView) -> int:
    """Return the number of running tasks."""
    return _read(state, state_keys.TASKS_OPEN, U63) or 0


def task(state: StateView, name: str) -> TaskRecord | None:
    """Return a task by its name."""
    return _read(state, state_keys.task(name), TaskRecord)


def tasks(state: StateView) -> Iterator[TaskRecord]:
    """Yield all tasks by name."""
    return _all(state, state_keys.TASK_PREFIX, TaskRecord)


def round_record(state: StateView, name: str, number: RoundNumber) -> RoundRecord | None:
    """Return a round of a task."""
    return _read(state, state_keys.round_(name, number), RoundRecord)


def participation(state: StateView, name: str, number: RoundNumber, who: ParticipantId) -> ParticipationRecord:
    """Return what a participant has done in a round; the blank record if nothing."""
    found = _read(state, state_keys.participation(name, number, who), ParticipationRecord)
    return found or ParticipationRecord()


def participations(state: StateView, name: str, number: RoundNumber) -> dict[ParticipantId, ParticipationRecord]:
    """Return what the participants of a round have done, by registry number; who did nothing may be missing."""
    prefix = state_keys.participation_prefix(name, number)
    found = state.scan(prefix)
    return {ParticipantId(_suffix(key, prefix)): decode(value, ParticipationRecord) for key, value in found}


def attestation(state: StateView, name: str, number: RoundNumber, who: ValidatorId) -> AttestationRecord | None:
    """Return a validator's attestation of a round."""
    return _read(state, state_keys.attestation(name, number, who), AttestationRecord)


def attestations(state: StateView, name: str, number: RoundNumber) -> dict[ValidatorId, AttestationRecord]:
    """Return the attestations of a round by validator."""
    prefix = state_keys.attestation_prefix(name, number)
    found = state.scan(prefix)
    return {ValidatorId(_suffix(key, prefix)): decode(value, AttestationRecord) for key, value in found}


def model(state: StateView, name: str, version: ModelVersion) -> GlobalModelRecord | None:
    """Return a global model of a task; version 0 is the initial one."""
    return _read(state, state_keys.model(name, version), GlobalModelRecord)


def offence(state: StateView, named: Offence) -> OffenceRecord | None:
    """Return the record of an offence."""
    return _read(state, state_keys.offence(named), OffenceRecord)


def offences(state: StateView) -> Iterator[OffenceRecord]:
    """Yield all recorded offences by era and offender."""
    return _all(state, state_keys.OFFENCE_PREFIX, OffenceRecord)


def offences_count(state: StateView, number: Era, offender: ValidatorId) -> int:
    """Return how many offences of a validator in an era are recorded."""
    return _read(state, state_keys.offences_count(number, offender), U63) or 0


def evidence_count(state: StateView) -> EvidenceCount:
    """Return how much evidence the last block that recorded any has recorded."""
    return _read(state, state_keys.EVIDENCE_COUNT, EvidenceCount) or EvidenceCount(height=Height(0), count=0)


@lru_cache(maxsize=4)
def _parameters(data: bytes) -> ChainParameters:
    """Decode what every block and admission asks for, and hardly ever changes."""
    return decode(data, ChainParameters)


@lru_cache(maxsize=4)
def _validators(data: bytes) -> ValidatorSet:
    """Decode a validator set, as `_parameters`."""
    return ValidatorSet(decode(data, tuple[Validator, ...]))


@lru_cache(maxsize=1_024)
def _key_record(data: bytes) -> KeyRecord:
    """Decode what every transaction of an author is checked by, as `_parameters`."""
    return decode(data, KeyRecord)


def _read(state: StateView, key: bytes, kind: type[T]) -> T | None:
    value = state.get(key)
    return None if value is None else decode(value, kind)


def _all(state: StateView, prefix: bytes, kind: type[T]) -> Iterator[T]:
    return (decode(value, kind) for _, value in state.scan(prefix))


def _must(value: T | None) -> T:
    assert value is not None, "genesis writes this record and nothing deletes it"
    return value


def _suffix(key: bytes, prefix: bytes) -> int:
    """Return the registry number at the end of a key."""
    return int.from_bytes(key[len(prefix) :], "big")
