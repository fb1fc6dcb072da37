"""State keys: no two records share one, and scans meet records in the order that rules speak of."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import state_keys
from ledger.evidence import Offence
from ledger.quantities import Height, ModelVersion, ParticipantId, RoundNumber, TimeMs, ValidatorId
from ledger.state import MemoryState
from tests.ledger.helpers import digest, key
from tests.ledger.strategies import digests, names, values

numbers = st.integers(0, 2**63 - 1)
CONSTANTS = (
    "PARAMETERS",
    "VALIDATORS",
    "ERA",
    "PROTOCOL",
    "PARTICIPANTS_COUNT",
    "SEATS_COUNT",
    "TASKS_OPEN",
    "EVIDENCE_COUNT",
)
FUNCTIONS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "key": st.tuples(digests()),
    "seat": st.tuples(numbers),
    "seat_key": st.tuples(digests()),
    "organisation": st.tuples(names()),
    "participant": st.tuples(numbers),
    "participant_name": st.tuples(names(), names()),
    "used": st.tuples(numbers, digests()),
    "blob": st.tuples(digests()),
    "task": st.tuples(names()),
    "round_": st.tuples(names(), numbers),
    "participation": st.tuples(names(), numbers, numbers),
    "attestation": st.tuples(names(), numbers, numbers),
    "model": st.tuples(names(), numbers),
    "past_era": st.tuples(numbers),
    "offence": st.tuples(values(Offence)),
    "offences_count": st.tuples(numbers, numbers),
    "due": st.tuples(numbers, names(), numbers),
}
records = st.one_of(
    st.tuples(st.sampled_from(CONSTANTS), st.just(())),
    *(st.tuples(st.just(name), arguments) for name, arguments in FUNCTIONS.items()),
)


def key_of(record: tuple[str, tuple[Any, ...]]) -> bytes:
    name, arguments = record
    made: bytes | Callable[..., bytes] = getattr(state_keys, name)
    return made if isinstance(made, bytes) else made(*arguments)


def test_every_key_function_is_tried_below() -> None:
    made = {
        name for name, value in vars(state_keys).items() if callable(value) and value.__module__ == "ledger.state_keys"
    }
    assert made - {"_number", "due_time", "participation_prefix", "attestation_prefix"} == set(FUNCTIONS)


@settings(deadline=None, max_examples=300)
@given(first=records, second=records)
def test_two_records_never_share_a_key(first: tuple[str, tuple[Any, ...]], second: tuple[str, tuple[Any, ...]]) -> None:
    assert (key_of(first) == key_of(second)) == (first == second)


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_arguments_that_differ_in_one_place_give_another_key(name: str, data: st.DataObject) -> None:
    arguments, others = data.draw(st.tuples(FUNCTIONS[name], FUNCTIONS[name]))
    place = data.draw(st.integers(0, len(arguments) - 1))
    mixed = (*arguments[:place], others[place], *arguments[place + 1 :])
    assert (key_of((name, mixed)) == key_of((name, arguments))) == (mixed == arguments)


@settings(deadline=None)
@given(first=names(), second=names(), number=numbers, who=numbers)
def test_a_rounds_records_are_found_under_its_prefix_alone(first: str, second: str, number: int, who: int) -> None:
    round_number = RoundNumber(number)
    participation = state_keys.participation(first, round_number, ParticipantId(who))
    attestation = state_keys.attestation(first, round_number, ValidatorId(who))
    assert participation.startswith(state_keys.participation_prefix(second, round_number)) == (first == second)
    assert attestation.startswith(state_keys.attestation_prefix(second, round_number)) == (first == second)


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=8, unique=True))
def test_participants_are_scanned_by_number(found: list[int]) -> None:
    state = MemoryState({state_keys.participant(ParticipantId(number)): str(number).encode() for number in found})
    scanned = [int(value) for _, value in state.scan(state_keys.PARTICIPANT_PREFIX)]
    assert scanned == sorted(found)


@settings(deadline=None)
@given(st.lists(st.tuples(numbers, names(), numbers), min_size=2, max_size=8, unique=True))
def test_due_marks_are_scanned_by_time_and_tell_it(marks: list[tuple[int, str, int]]) -> None:
    state = MemoryState({state_keys.due(TimeMs(when), name, RoundNumber(n)): b"" for when, name, n in marks})
    times = [state_keys.due_time(mark) for mark, _ in state.scan(state_keys.DUE_PREFIX)]
    assert times == sorted(when for when, _, _ in marks)


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=8, unique=True))
def test_used_ids_are_scanned_by_expiry(expiries: list[int]) -> None:
    state = MemoryState({state_keys.used(Height(expiry), digest("id")): str(expiry).encode() for expiry in expiries})
    assert [int(value) for _, value in state.scan(state_keys.USED_PREFIX)] == sorted(expiries)


@pytest.mark.parametrize(
    ("prefix", "made"),
    [
        (state_keys.SEAT_PREFIX, state_keys.seat(ValidatorId(1))),
        (state_keys.ORGANISATION_PREFIX, state_keys.organisation("a")),
        (state_keys.PARTICIPANT_PREFIX, state_keys.participant(ParticipantId(1))),
        (state_keys.TASK_PREFIX, state_keys.task("a")),
        (state_keys.USED_PREFIX, state_keys.used(Height(1), digest("id"))),
        (state_keys.DUE_PREFIX, state_keys.due(TimeMs(1), "a", RoundNumber(1))),
    ],
)
def test_a_prefix_finds_its_own_kind_of_record_only(prefix: bytes, made: bytes) -> None:
    others = [
        *(getattr(state_keys, name) for name in CONSTANTS),
        state_keys.key(key("a").public),
        state_keys.seat(ValidatorId(1)),
        state_keys.seat_key(digest("key")),
        state_keys.organisation("a"),
        state_keys.participant(ParticipantId(1)),
        state_keys.participant_name("a", "b"),
        state_keys.used(Height(1), digest("id")),
        state_keys.blob(digest("blob")),
        state_keys.task("a"),
        state_keys.round_("a", RoundNumber(1)),
        state_keys.participation("a", RoundNumber(1), ParticipantId(1)),
        state_keys.attestation("a", RoundNumber(1), ValidatorId(1)),
        state_keys.model("a", ModelVersion(1)),
        state_keys.due(TimeMs(1), "a", RoundNumber(1)),
    ]
    assert [other for other in others if other.startswith(prefix)] == [made]
