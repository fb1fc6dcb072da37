"""Waiting times between dials."""

from hypothesis import given, settings
from hypothesis import strategies as st

from node.transport.backoff import Backoff, system_jitter


def waits(count: int, jitter: float) -> list[float]:
    backoff = Backoff(seconds_min=0.05, seconds_max=2.0, jitter=lambda: jitter)
    return [backoff.wait() for _ in range(count)]


def test_waits_double_up_to_the_longest() -> None:
    assert waits(9, 1.0) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 1))
def test_jitter_takes_away_at_most_half(jitter: float) -> None:
    for wait, longest in zip(waits(9, jitter), waits(9, 1.0), strict=True):
        assert longest / 2 <= wait <= longest


def test_a_link_that_lasted_begins_anew() -> None:
    backoff = Backoff(seconds_min=1.0, seconds_max=8.0, jitter=lambda: 1.0)
    assert [backoff.wait() for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.lasted(8.1)
    assert backoff.wait() == 1.0


def test_a_link_that_broke_at_once_does_not() -> None:
    backoff = Backoff(seconds_min=1.0, seconds_max=8.0, jitter=lambda: 1.0)
    assert [backoff.wait() for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.lasted(0.1)
    assert backoff.wait() == 8.0


def test_the_systems_jitter_is_a_fraction() -> None:
    assert all(0 <= system_jitter() <= 1 for _ in range(100))
