"""What happens when in a run: one queue, in which nothing but its own seed decides what comes next."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Events:
    """A clock that goes from one event to the next."""

    seed: int
    now: float = 0.0
    """Seconds since the run began."""
    chance: random.Random = field(init=False)
    progress: int = 0
    """Counts what may bring a run to its end: whoever adds to it lets `run` ask again whether it is done."""
    _queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    _sequence: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time; what is due at the same time happens in the order of these calls."""
        self._sequence += 1
        heapq.heappush(self._queue, (when, self._sequence, action, arguments))

    def run(self, until: float, *, done: Callable[[], bool] | None = None) -> bool:
        """Let events happen up to a time; stop early, with True, once `done` holds.

        `done` is asked after the first event, and then whenever there was progress.
        """
        queue, asked_at = self._queue, -1
        while queue and queue[0][0] <= until:
            self.now, _, action, arguments = heapq.heappop(queue)
            action(*arguments)
            if done is not None and self.progress != asked_at:
                asked_at = self.progress
                if done():
                    return True
        self.now = until
        return done is not None and done()
