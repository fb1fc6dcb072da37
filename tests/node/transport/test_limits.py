"""Limits that contradict each other are our own mistake."""

from typing import Any

import pytest

from node.transport.limits import LinkLimits


def test_the_defaults_agree() -> None:
    LinkLimits()


@pytest.mark.parametrize(
    "limits",
    [
        {"frame_bytes_max": 2**30},
        {"frame_bytes_max": 2**32, "queue_bytes_max": 2**40},
        {"queue_frames_max": 0},
        {"strangers_max": 0},
        {"fetches_per_peer_max": 9},
        {"retry_seconds_min": 3.0},
        {"stall_seconds": 0.0},
    ],
)
def test_limits_that_contradict_are_caught_at_start(limits: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        LinkLimits(**limits)
