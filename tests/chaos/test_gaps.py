"""What counts as the gap that a kill made."""

import pytest

from tests.chaos.gaps import Gap, gap_of, percentile
from tests.chaos.report import facts_of_gaps

STEADY = [place / 10 for place in range(-30, 1)]
"""A receipt every tenth of a second until the kill, at 0."""


def test_the_gap_is_from_the_last_receipt_before_the_kill_to_the_next() -> None:
    gap = gap_of([*STEADY, 0.7, 0.8, 2.5], 0.05)
    assert gap.seconds == pytest.approx(1.7)
    gap = gap_of([*STEADY, 0.7, *(place / 10 for place in range(8, 30))], 0.05)
    assert gap.seconds == pytest.approx(0.7)
    assert gap.typical_seconds == pytest.approx(0.1)


def test_a_receipt_for_what_was_ordered_before_does_not_end_the_gap() -> None:
    gap = gap_of([*STEADY, 0.1, 1.6, 1.7, 1.8, 1.9, 2.1], 0.05)
    assert gap.seconds == pytest.approx(1.5)


def test_a_gap_that_is_longer_than_the_window_is_not_cut_short() -> None:
    assert gap_of([*STEADY, 5.0, 5.1], 0.05).seconds == pytest.approx(5.0)


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.3, 0.5, 0.9, 1.0)] == [1.0, 1.0, 2.0, 3.0, 3.0]
    assert percentile([1.0, 2.0], 0.5) == 1.0


@pytest.mark.parametrize(("longest", "met"), [(0.99, True), (1.01, False)])
def test_one_kill_with_a_longer_gap_misses_the_goal(longest: float, met: bool) -> None:  # noqa: FBT001 - a parameter
    found = facts_of_gaps([Gap(seconds=seconds, typical_seconds=0.05) for seconds in (0.5, longest, 0.6)])
    assert (found["p50_s"], found["max_s"], found["goal_met"]) == (0.6, longest, met)
