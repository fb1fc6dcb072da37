"""What the processes hold in memory over time.

What a validator takes is everything resident, worker processes and mapped database files included. Whether it grows is
judged by the node's own anonymous memory: workers come and go with the work, and mapped files are the system's cache.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.footprint import footprint
from tests.chaos.cluster import Cluster

EVERY_SECONDS = 1.0
SLOPE_SECONDS_MIN = 30.0
"""A process that has only just begun grows, whatever becomes of it."""
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a validator."""

    when: float
    resident: int
    """Bytes of the node and its workers."""
    anonymous: int
    """Bytes of the node that are no file's."""


@dataclass(slots=True)
class Memory:
    """What each validator took, by process and second."""

    cluster: Cluster
    samples: dict[tuple[int, int], list[Sample]] = field(default_factory=dict)
    """By (validator, process)."""
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
            anonymous = anonymous_bytes(pid)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return  # it ended meanwhile
        if found is not None:
            sample = Sample(when=time.monotonic(), resident=found.resident_bytes, anonymous=anonymous)
            self.samples.setdefault((place, pid), []).append(sample)

    def most(self, place: int) -> float:
        """Return the most that a validator ever took, in MiB."""
        taken = [it.resident for (whose, _), samples in self.samples.items() if whose == place for it in samples]
        return max(taken, default=0) / MEGABYTE

    def slope(self, place: int) -> float | None:
        """Return how the node's own memory grew in MiB a minute, in the second half of its longest process."""
        longest = max((samples for (whose, _), samples in self.samples.items() if whose == place), key=len, default=[])
        return growth(longest[len(longest) // 2 :])


def growth(samples: Sequence[Sample]) -> float | None:
    """Return by least squares how anonymous memory grew, in MiB a minute; None for a time too short to tell."""
    if not samples or samples[-1].when - samples[0].when < SLOPE_SECONDS_MIN:
        return None
    middle = sum(it.when for it in samples) / len(samples)
    spread = sum((it.when - middle) ** 2 for it in samples)
    return sum((it.when - middle) * it.anonymous for it in samples) / spread / MEGABYTE * 60


def anonymous_bytes(pid: int) -> int:
    """Return how much memory of a process is no file's."""
    lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024
