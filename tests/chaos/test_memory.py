"""Growth of memory: what is told of a process that grows, of one that does not, and of one that has just begun."""

import os
from pathlib import Path

import pytest

from tests.chaos.memory import MEGABYTE, SLOPE_SECONDS_MIN, Sample, anonymous_bytes, growth


def samples(seconds: int, each: float) -> list[Sample]:
    """Return a sample a second of a process that grows by so many MiB each."""
    sizes = [int((100 + place * each) * MEGABYTE) for place in range(seconds)]
    return [Sample(when=place, resident=0, anonymous=size) for place, size in enumerate(sizes)]


@pytest.mark.parametrize("each", [0.0, 0.5, -0.25])
def test_growth_is_told_in_mebibytes_a_minute(each: float) -> None:
    assert growth(samples(60, each)) == pytest.approx(60 * each, abs=0.01)


def test_nothing_is_told_of_a_process_that_has_just_begun() -> None:
    assert growth(samples(int(SLOPE_SECONDS_MIN), 1.0)) is None
    assert growth([]) is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_what_a_process_takes_is_seen() -> None:
    before = anonymous_bytes(os.getpid())
    held = bytearray(os.urandom(64)) * (2**20)
    assert anonymous_bytes(os.getpid()) - before > len(held) // 2
