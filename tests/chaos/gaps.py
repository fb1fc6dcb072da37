"""How long nothing is committed after the primary was killed: measured at default settings, printed, never asserted."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from tests.chaos.clients import Shared
from tests.chaos.cluster import Cluster

GOAL_SECONDS = 1.0
BEFORE_SECONDS = 2.0
"""Receipts of so long before the kill say how long it takes otherwise."""
WINDOW_SECONDS = 2.0
"""Receipts for what the primary had still ordered may come after it was killed; the gap begins within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One kill."""

    seconds: float
    """The longest time between two receipts, of any client, that begins around the kill."""
    typical_seconds: float
    """The median time between two receipts before it: what there would be without the kill."""


def measure(cluster: Cluster, shared: Shared) -> Iterator[Gap]:
    """Kill the primary again and again while clients submit, starting it again each time."""
    while True:
        primary = cluster.primary()
        time.sleep(BEFORE_SECONDS)
        if cluster.primary() != primary:
            continue  # a view change of its own: not what is measured
        cluster.kill(primary)
        killed = time.monotonic()
        _wait_receipt(cluster, shared, killed + WINDOW_SECONDS)
        gap = gap_of(sorted(shared.answers), killed)
        cluster.start(primary)
        _wait_block(cluster)
        yield gap


def gap_of(receipts: Sequence[float], killed: float) -> Gap:
    """Return the gap that a kill made; the receipts must reach beyond the window after it."""
    end = bisect_left(receipts, killed + WINDOW_SECONDS) + 1
    begin = max(0, bisect_left(receipts, killed) - 1)
    before = receipts[bisect_left(receipts, killed - BEFORE_SECONDS) : begin + 1]
    spans = sorted(later - earlier for earlier, later in pairwise(before))
    return Gap(
        seconds=max(later - earlier for earlier, later in pairwise(receipts[begin:end])),
        typical_seconds=spans[len(spans) // 2] if spans else float("nan"),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies, the nearest rank."""
    ranked = sorted(values)
    return ranked[max(0, ceil(share * len(ranked)) - 1)]


def _wait_receipt(cluster: Cluster, shared: Shared, after: float) -> None:
    cluster.wait(lambda: any(when > after for when in shared.answers[-50:]), "a receipt after the primary was killed")


def _wait_block(cluster: Cluster) -> None:
    mark = max(height or 0 for height in cluster.heights())
    cluster.wait(
        lambda: all((height or 0) > mark for height in cluster.heights()), "the one that was killed to catch up"
    )
