"""How long nothing is committed after the primary was killed: measured at default settings, printed, never asserted."""

import time
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.clients import Shared
from tests.chaos.cluster import Cluster

GOAL_SECONDS = 1.0
BEFORE_SECONDS = 2.0
AFTER_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One kill."""

    seconds: float
    """Between the last receipt before the kill and the first one after it, at any client."""
    typical_seconds: float
    """The median between two receipts before it: what the gap would be without the kill."""


def measure(cluster: Cluster, shared: Shared, *, kills: int) -> list[Gap]:
    """Kill the primary so many times while clients submit, starting it again each time."""
    found: list[Gap] = []
    while len(found) < kills:
        primary = cluster.primary()
        time.sleep(BEFORE_SECONDS)
        if cluster.primary() != primary:
            continue  # a view change of its own: not what is measured
        cluster.kill(primary)
        killed = time.monotonic()
        cluster.wait(
            lambda killed=killed: any(when > killed + 0.001 for when in shared.answers[-50:]),  # type: ignore[misc]
            "a receipt after the primary was killed",
        )
        time.sleep(0.2)
        answers = sorted(shared.answers)
        before = [when for when in answers if killed - BEFORE_SECONDS <= when <= killed]
        after = next(when for when in answers if when > killed)
        spans = sorted(later - earlier for earlier, later in pairwise(before))
        found.append(
            Gap(
                seconds=_longest(answers, killed, after),
                typical_seconds=spans[len(spans) // 2] if spans else float("nan"),
            )
        )
        cluster.start(primary)
        mark = max(height or 0 for height in cluster.heights())
        cluster.wait(
            lambda mark=mark: all((height or 0) > mark for height in cluster.heights()),  # type: ignore[misc]
            "the killed one to catch up",
        )
    return found


def _longest(answers: list[float], killed: float, after: float) -> float:
    """Return the longest time without a receipt that touches the kill: one may still come from what it had ordered."""
    end = max(after, killed + GOAL_SECONDS)
    last_before = max((when for when in answers if when <= killed), default=killed)
    touched = [when for when in answers if last_before <= when <= end]
    first_beyond = next((when for when in answers if when > end), None)
    if first_beyond is not None:
        touched.append(first_beyond)
    return max(later - earlier for earlier, later in pairwise(touched))


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies, the nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
