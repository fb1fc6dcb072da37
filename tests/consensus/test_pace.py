"""What patience follows from measurements, and which primary is too slow; the clock is a number here."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.pace import ROUND_TRIPS, SAMPLES, SAMPLES_MIN, SECONDS_ALLOWED, TRIPS_KEPT, Pace
from consensus.ports import Timing
from ledger.quantities import ValidatorId
from tests.simulation.chain import validator_set

SECONDS = st.floats(min_value=0.0, max_value=10.0)


def pace(size: int = 4) -> Pace:
    return Pace(timing=Timing(view=1.0, view_max=60.0), validators=validator_set(size))


def decided(timers: Pace, seconds: Iterable[float]) -> Pace:
    """Let items be decided one after the other, each after so many seconds."""
    now = timers.item_at
    for number, each in enumerate(seconds):
        timers.watch(f"{number} at {now}".encode(), now, appended_at=now)
        now += each
    timers.watch(None, now, appended_at=now)
    timers.item_at = now
    return timers


def measured(timers: Pace, *trips: float) -> Pace:
    for peer, seconds in enumerate(trips, 1):
        for _ in range(TRIPS_KEPT):
            timers.on_round_trip(ValidatorId(peer), seconds)
    return timers


def test_the_timeout_doubles_up_to_its_bound() -> None:
    timers = pace()
    timeouts = []
    for failures in (0, 1, 2, 5, 6, 7, 10**9):
        timers.failures = failures
        timeouts.append(timers.view_timeout())
    assert timeouts == [1, 2, 4, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("slowest", "failures"), [(0.1, 0), (0.5, 0), (0.6, 1), (1.0, 1), (1.1, 2), (3.0, 3), (9.0, 3)]
)
def test_doublings_are_taken_back_as_far_as_twice_the_slowest_decision_allows(slowest: float, failures: int) -> None:
    timers = pace()
    timers.failures = 3
    decided(timers, [slowest, 0.01])
    assert timers.failures == failures


def test_a_long_round_trip_makes_the_timeout_longer() -> None:
    assert measured(pace(), 0.01, 0.02, 0.03).view_timeout() == 1.0
    assert measured(pace(), 0.1, 0.4, 0.5).view_timeout() == pytest.approx(0.4 * ROUND_TRIPS)


def test_no_round_trip_counts_before_a_quorum_has_answered() -> None:
    assert measured(pace(7), 9.0, 9.0, 9.0).round_trip == 0.0


@pytest.mark.parametrize("size", range(4, 26))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_liars_cannot_move_the_round_trip_out_of_what_honest_peers_measure(size: int, data: st.DataObject) -> None:
    timers = pace(size)
    faulty = timers.validators.faulty_max
    honest = data.draw(st.lists(SECONDS, min_size=size - 1 - faulty, max_size=size - 1 - faulty))
    lies = data.draw(st.lists(SECONDS, max_size=faulty))
    measured(timers, *honest, *lies)
    assert timers.round_trip <= max(honest)
    assert timers.round_trip == 0.0 or timers.round_trip >= min(honest)


def test_the_median_of_the_last_round_trips_counts() -> None:
    timers = measured(pace(), 0.1, 0.1, 0.1)
    for peer in (1, 2, 3):
        timers.on_round_trip(ValidatorId(peer), 8.0)
    assert timers.round_trip == 0.1


def test_a_primary_just_under_the_timeout_is_slow() -> None:
    assert not decided(pace(), [0.9] * (SAMPLES_MIN - 1)).is_slow(0.0)
    assert decided(pace(), [0.9] * SAMPLES_MIN).is_slow(0.0)


def test_one_stall_makes_no_primary_slow() -> None:
    assert not decided(pace(), [0.01] * SAMPLES + [0.99] + [0.01] * SAMPLES).is_slow(0.0)


def test_every_other_proposal_delayed_is_slow_too() -> None:
    assert decided(pace(), [0.9, 0.01] * SAMPLES).is_slow(0.0)


def test_what_round_trips_explain_is_not_slow() -> None:
    assert decided(pace(), [0.4] * SAMPLES).is_slow(0.0)
    assert not decided(pace(), [0.24] * SAMPLES).is_slow(0.0)
    assert not decided(measured(pace(), 0.1, 0.1, 0.1), [0.4] * SAMPLES).is_slow(0.0)


def test_another_view_begins_without_samples() -> None:
    timers = decided(pace(), [0.9] * SAMPLES)
    timers.leave_view(ValidatorId(1), 0.0)
    assert not timers.is_slow(0.0)


def test_what_f_plus_1_primaries_could_not_do_better_is_allowed_for_a_while() -> None:
    timers = pace(7)
    for primary, seconds in ((1, 0.9), (2, 0.4), (2, 0.4), (3, 0.9)):
        assert timers.allowed_until == 0.0
        decided(timers, [seconds] * SAMPLES)
        assert timers.is_slow(5.0)
        timers.leave_view(ValidatorId(primary), 5.0)
    decided(timers, [0.7] * SAMPLES)
    assert not timers.is_slow(5.0)
    assert timers.is_slow(5.0 + SECONDS_ALLOWED)
    timers.leave_view(ValidatorId(4), 5.0)
    decided(timers, [0.9] * SAMPLES)
    assert timers.is_slow(5.0), "twice what the best of them achieved, and no more"


def test_primaries_that_were_slow_long_before_a_quick_one_excuse_nobody() -> None:
    timers = pace(4)
    for primary, seconds in ((1, 0.9), (2, 0.01), (3, 0.9)):
        decided(timers, [seconds] * SAMPLES)
        timers.is_slow(5.0)
        timers.leave_view(ValidatorId(primary), 5.0)
    assert timers.allowed_until == 0.0


def test_who_joins_the_others_knows_as_well_that_the_primary_was_slow() -> None:
    timers = pace(4)
    for primary in (1, 2):
        decided(timers, [0.5] * (SAMPLES_MIN // 2))
        assert not timers.is_slow(5.0)
        timers.leave_view(ValidatorId(primary), 5.0)
    assert timers.allowance == 1.0


def test_time_without_pending_items_is_no_decision() -> None:
    timers = pace()
    for second in range(100):
        timers.watch(None, float(second), appended_at=0.0)
    timers.watch(b"item", 100.0, appended_at=0.0)
    timers.watch(b"another", 101.0, appended_at=0.0)
    assert not timers.decisions, "nothing was appended: it has expired"


def test_an_excused_time_is_not_part_of_a_decision() -> None:
    timers = pace()
    timers.watch(b"item", 0.0, appended_at=0.0)
    timers.excuse(60.0)
    timers.watch(None, 60.5, appended_at=60.5)
    assert list(timers.decisions) == [0.5]
