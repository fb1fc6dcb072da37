"""Records of the state map: numbers that are hashed into every state root never change their meaning."""

from enum import IntEnum

import pytest

from ledger.encoding import decode, encode
from ledger.quantities import Height, ModelVersion, RoundNumber, TimeMs
from ledger.records import KeyRole, ParticipationRecord, RoundRecord, RoundStatus, TaskStatus
from tests.ledger.helpers import digest


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (KeyRole, {"OPERATOR": 1, "SERVICE": 2, "PARTICIPANT": 3}),
        (TaskStatus, {"RUNNING": 1, "FINISHED": 2, "HALTED": 3}),
        (RoundStatus, {"OPEN": 1, "CLOSED": 2, "DECIDED": 3, "VOID": 4}),
    ],
)
def test_numbers_of_roles_and_states_never_change(kind: type[IntEnum], numbers: dict[str, int]) -> None:
    assert {member.name: member.value for member in kind} == numbers


def test_a_fresh_participation_has_done_nothing() -> None:
    fresh = ParticipationRecord()
    assert encode(fresh) == encode((0, None, None, 0, 0, False, False, None))


def test_a_fresh_round_has_no_close_committee_or_decision() -> None:
    fresh = RoundRecord(
        task="task",
        round=RoundNumber(1),
        status=RoundStatus.OPEN,
        base=digest("model"),
        base_version=ModelVersion(0),
        invited=(),
        opened_height=Height(1),
        opened_time=TimeMs(2),
        deadline=TimeMs(3),
    )
    after = decode(encode(fresh), tuple[object, ...])[9:]
    assert after == (0, None, None, None, [], 0, None, None, None)
