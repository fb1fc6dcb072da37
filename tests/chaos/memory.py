"""What the processes hold in memory over time."""

import threading
import time
from dataclasses import dataclass, field

from tests.acceptance.footprint import footprint
from tests.chaos.cluster import Cluster

EVERY_SECONDS = 1.0
MEGABYTE = 2**20


@dataclass(slots=True)
class Memory:
    """Resident bytes of each validator, its worker included, by process and second."""

    cluster: Cluster
    samples: dict[tuple[int, int], list[tuple[float, int]]] = field(default_factory=dict)
    """(when, bytes) by (validator, process)."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> threading.Thread:
        """Begin; ends once `stopping` is set."""
        thread = threading.Thread(target=self._watch, daemon=True, name="memory")
        thread.start()
        return thread

    def _watch(self) -> None:
        while not self.stopping.wait(EVERY_SECONDS):
            for place in range(self.cluster.size):
                if self.cluster.validators[place].is_running:
                    self._sample(place)

    def _sample(self, place: int) -> None:
        pid = self.cluster.validators[place].pid
        try:
            found = footprint(pid)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return  # it ended meanwhile
        if found is not None:
            self.samples.setdefault((place, pid), []).append((time.monotonic(), found.resident_bytes))

    def most(self, place: int) -> float:
        """Return the most that a validator ever took, in MiB."""
        taken = [size for (whose, _), samples in self.samples.items() if whose == place for _, size in samples]
        return max(taken, default=0) / MEGABYTE

    def slope(self, place: int) -> float | None:
        """Return how its memory grew in MiB a minute: least squares over the second half of its longest process."""
        longest = max((samples for (whose, _), samples in self.samples.items() if whose == place), key=len, default=[])
        half = longest[len(longest) // 2 :]
        if len(half) < 10:
            return None
        middle = sum(when for when, _ in half) / len(half)
        spread = sum((when - middle) ** 2 for when, _ in half)
        return sum((when - middle) * size for when, size in half) / spread / MEGABYTE * 60
