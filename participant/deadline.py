"""A moment until which to go on trying, and how long to wait in between.

Waits double from a fifth of a second and carry a random part, so that a thousand sites that lost one node at the same
moment do not all come back at the same moment.
"""

import secrets
import time

PAUSE_SECONDS_MIN = 0.2
PAUSE_SECONDS_MAX = 5.0

_chance = secrets.SystemRandom()


class Deadline:
    """So many seconds from now, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._pause = PAUSE_SECONDS_MIN

    @property
    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    @property
    def has_passed(self) -> bool:
        """Return whether time is up."""
        return self.remaining == 0.0

    def pause(self, *, seconds_max: float = PAUSE_SECONDS_MAX) -> None:
        """Wait a little, longer each time up to `seconds_max`, and never past the deadline."""
        time.sleep(min(self.remaining, self._pause * _chance.uniform(0.5, 1.0)))
        self._pause = min(2 * self._pause, seconds_max)
