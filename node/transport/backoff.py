"""How long to wait before dialling a peer again: soon at first, then less and less often, never all at once."""

import random
from collections.abc import Callable

Jitter = Callable[[], float]
"""Returns a number from 0 to 1: how much of the second half of a wait is waited."""

system_jitter: Jitter = random.SystemRandom().random


class Backoff:
    """Waits that double from `seconds_min` to `seconds_max`."""

    def __init__(self, *, seconds_min: float, seconds_max: float, jitter: Jitter) -> None:
        self._seconds_min = seconds_min
        self._seconds_max = seconds_max
        self._jitter = jitter
        self._next = seconds_min

    def wait(self) -> float:
        """Return how many seconds to wait now: from half of what the doubling says to all of it."""
        seconds = self._next
        self._next = min(2 * seconds, self._seconds_max)
        return seconds * (1 + self._jitter()) / 2

    def lasted(self, seconds: float) -> None:
        """Begin anew after a link that lasted; one that breaks at once must not be dialled ever so often."""
        if seconds > self._seconds_max:
            self._next = self._seconds_min
