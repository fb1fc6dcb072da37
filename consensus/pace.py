"""How long things take here, and which patience follows: a primary is judged by what the network allows, not by itself.

Two judgements end a view; both are local, touch liveness alone, and need f+1 validators to move anybody else.

**The view timeout** is the greater of the configured one and what round trips demand, doubled for each failed view. The
doublings are taken back only as far as what was decided since then shows that less will do: on a slow network or disk
the timeout settles above what a decision takes there, instead of failing again with every block.

**A slow primary** delays every proposal to just below the timeout and would so keep its place for ever. A decision
takes about two round trips (transaction to the primary, pre-prepare, prepare, commit). If `SAMPLES` of the oldest
pending items took, in the mean, longer than both a quarter of the view timeout and `ROUND_TRIPS` round trips, a replica
complains, and once f+1 do, they give the view up: who is slow itself leaves nobody alone. Round trips are measured with
the heartbeats, and the one that counts is that of the slowest of a quorum's fastest members: there are n-f honest ones,
so f liars cannot raise it above what honest ones measure.

That is the idea of Prime (Amir et al., DSN 2008): what is acceptable is derived from round trips that the primary has
no hand in. Aardvark (NSDI 2009) demands 90 % of the best throughput of the last n views and raises that while a view
lasts, so it changes views without any fault; here a run without faults has none. Rotation every K blocks would let a
slow primary keep K blocks of every n K: at 0.9 of the timeout those take nearly all of the time, and each hand-over
costs a view change. It is not done.

When everything is slow for a reason that heartbeats do not show (disks, processors), at most f+1 views end: one of
those primaries was honest, so what the best of them achieved is what can be had, and twice that is allowed for a while.
"""

from collections import deque
from dataclasses import dataclass, field

from consensus.ports import Timing
from ledger.quantities import ValidatorId
from ledger.validators import ValidatorSet

SAMPLES = 16
"""Decisions of one view by which its primary is judged."""
SAMPLES_MIN = 8
"""Fewest of them; their time must then exceed what is allowed for all `SAMPLES`."""
ROUND_TRIPS = 5
"""Round trips that a decision may take: it needs two, and round trips vary."""
TRIPS_KEPT = 8
"""Heartbeats whose round trips are remembered, for each peer."""
SECONDS_ALLOWED = 600.0
"""How long an allowance for a slow network lasts."""


@dataclass(slots=True, kw_only=True)
class Pace:
    """What one replica has measured."""

    timing: Timing
    validators: ValidatorSet
    failures: int = 0
    """How often the view timeout is doubled."""
    item: bytes | None = None
    """Pending item that is being watched: the oldest one."""
    item_at: float = 0.0
    """When it became the oldest."""
    decisions: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    """Seconds that the oldest items of the current view took."""
    trips: dict[ValidatorId, deque[float]] = field(default_factory=dict)
    """Round trips to peers."""
    slow_primaries: dict[ValidatorId, float] = field(default_factory=dict)
    """Mean decision times of the primaries given up for slowness since one was quick enough."""
    allowance: float = 0.0
    """Mean decision time that the network was seen to need."""
    allowed_until: float = 0.0

    def on_round_trip(self, peer: ValidatorId, seconds: float) -> None:
        """Take a measurement."""
        self.trips.setdefault(peer, deque(maxlen=TRIPS_KEPT)).append(seconds)

    @property
    def round_trip(self) -> float:
        """Round trip to the slowest of the peers that make the fastest quorum; 0 while too few are known."""
        medians = sorted(sorted(trips)[len(trips) // 2] for trips in self.trips.values())
        needed = self.validators.quorum - 1
        return medians[needed - 1] if len(medians) >= needed else 0.0

    def view_timeout(self) -> float:
        """Return how long the oldest pending item may wait now."""
        base = max(self.timing.view, ROUND_TRIPS * self.round_trip)
        return min(self.timing.view_max, base * 2.0 ** min(self.failures, 30))

    def watch(self, item: bytes | None, now: float, *, appended_at: float) -> None:
        """Note which item is the oldest pending one; the one before was decided if a block was appended meanwhile."""
        if item == self.item:
            return
        if self.item is not None and appended_at > self.item_at:
            self._decided(appended_at - self.item_at)
        self.item, self.item_at = item, now

    def is_slow(self, now: float) -> bool:
        """Return whether the primary needs longer than the network does."""
        if len(self.decisions) < SAMPLES_MIN:
            return False
        slow = sum(self.decisions) > SAMPLES * self._allowed(now)
        if len(self.decisions) == SAMPLES and not slow:
            self.slow_primaries.clear()
        return slow

    def leave_view(self, primary: ValidatorId, now: float) -> None:
        """Begin anew in another view; what f+1 primaries could not do better is allowed from then on.

        Who only joins the others notes that the primary was slow too: it would not know else when to stop.
        """
        mean = sum(self.decisions) / len(self.decisions) if self.decisions else 0.0
        if len(self.decisions) >= SAMPLES_MIN // 2 and mean > self._allowed(now):
            self.slow_primaries[primary] = mean
        if len(self.slow_primaries) >= self.validators.weak_quorum:
            self.allowance = 2 * min(self.slow_primaries.values())
            self.allowed_until = now + SECONDS_ALLOWED
            self.slow_primaries.clear()
        self.item = None
        self.decisions.clear()

    def excuse(self, seconds: float) -> None:
        """Leave out a time in which this process did not listen."""
        self.item_at += seconds

    def _allowed(self, now: float) -> float:
        allowed = max(self.timing.view / 4, ROUND_TRIPS * self.round_trip)
        return max(allowed, self.allowance) if now < self.allowed_until else allowed

    def _decided(self, seconds: float) -> None:
        """Count a decision, and take back doublings of the timeout that are not needed."""
        self.decisions.append(seconds)
        slowest = max(list(self.decisions)[-SAMPLES_MIN:])
        while self.failures and 2 * slowest <= self.timing.view * 2.0 ** (self.failures - 1):
            self.failures -= 1
