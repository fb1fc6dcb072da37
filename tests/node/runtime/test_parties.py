"""Who is linked, by the state: and for how long whoever has left, or changed its certificate, still is."""

from msgspec.structs import replace

from ledger.quantities import Height, ValidatorId
from ledger.records import SeatRecord, SeatStatus
from node.runtime.parties import LEAVING_SECONDS, Linked
from tests.membership import seat_keys


def seat(number: int, *, status: SeatStatus = SeatStatus.VALIDATOR, name: str = "") -> SeatRecord:
    keys = seat_keys(name or f"node-{number}")
    return SeatRecord(
        member=keys.validator(ValidatorId(number), f"org-{number}"),
        link_address=keys.link_address,
        rest_url=keys.rest_url,
        status=status,
        since=Height(1),
    )


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_validators_and_learners_are_linked_and_nobody_else() -> None:
    linked = Linked(clock=Clock())
    seats = [seat(0), seat(1, status=SeatStatus.LEARNER), seat(2, status=SeatStatus.LEFT)]
    assert linked.update(seats) == set()
    assert [party for party, _ in linked.parties] == [0, 1]
    assert linked.validators == {0}
    assert linked.peers(ValidatorId(0)) == {1: ("node-1.example", 7400)}
    assert set(linked.peers(None)) == {0, 1}


def test_who_has_left_is_trusted_for_a_while() -> None:
    clock = Clock()
    linked = Linked(clock=clock)
    linked.update([seat(0), seat(1)])
    assert linked.update([seat(0), seat(1, status=SeatStatus.LEFT)]) == set()
    assert linked.validators == {0}
    assert [party for party, _ in linked.parties] == [0, 1]
    assert set(linked.peers(ValidatorId(0))) == {1}
    clock.now += LEAVING_SECONDS - 0.1
    assert not linked.expire()
    clock.now += 0.1
    assert linked.expire()
    assert [party for party, _ in linked.parties] == [0]
    assert linked.peers(ValidatorId(0)) == {}


def test_both_certificates_of_a_rotation_are_trusted_for_a_while() -> None:
    clock = Clock()
    linked = Linked(clock=clock)
    old, new = seat(1), seat(1, name="other")
    linked.update([seat(0), old])
    assert linked.update([seat(0), new]) == {1}
    certificates = {certificate for party, certificate in linked.parties if party == 1}
    assert certificates == {old.member.link_certificate, new.member.link_certificate}
    assert linked.peers(ValidatorId(0)) == {1: ("other.example", 7400)}
    clock.now += LEAVING_SECONDS
    assert linked.expire()
    assert (1, new.member.link_certificate) in linked.parties
    assert (1, old.member.link_certificate) not in linked.parties


def test_another_address_alone_changes_no_certificate() -> None:
    linked = Linked(clock=Clock())
    linked.update([seat(1)])
    assert linked.update([replace(seat(1), link_address="moved.example:1")]) == set()
    assert linked.peers(None) == {1: ("moved.example", 1)}
    assert not linked.expire()
