"""Clocks of the peers, and whether a second process runs as this validator: what peers ask each other beside votes.

A question carries this process's random number and the time of sending; the answer repeats the time, and adds the
peer's. As in NTP, half of the round trip is the bound on the error of one offset. At most f peers lie, so a deviation
that f+1 of them confirm is real: some honest peer's clock differs by at least so much.

A process that was restarted has a number that nobody has seen. A number that comes back after another one was seen
belongs to a process that never ended: then two processes run with one validator's keys, and can be made to sign two
blocks at one height. A peer tells both so from then on; once f+1 peers do, it is true. Peers dial the address in
genesis, so of two processes only the one that is there hears anything: the other one is deaf, has nothing to vote on,
and is told as soon as the address becomes its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ledger.quantities import TimeMs, ValidatorId, faulty_max
from node.runtime.wire import ClockAsked, ClockTold

ASK_TICKS = 5
"""Ticks (seconds) between two questions."""
FORGET_SECONDS = 30.0
"""An answer tells nothing any more after so long: several were lost."""
INSTANCES_MAX = 16
"""Process numbers remembered of one validator."""


def wall_clock() -> TimeMs:
    """Return this host's time."""
    return TimeMs(time.time_ns() // 1_000_000)


class Outbox(Protocol):
    """How questions and answers leave."""

    def broadcast(self, message: ClockAsked) -> None:
        """Send to every other validator; may be lost."""

    def send(self, to: ValidatorId, message: ClockTold) -> None:
        """Send to one validator; may be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """How far a peer's clock is ahead of ours."""

    offset_ms: int
    """Negative where the peer's is behind."""
    error_ms: int
    """Bound on the error: half of the round trip."""
    at: float
    """When it was measured, on the clock that never jumps."""
    second_node: bool
    """The peer has met another process that runs as this validator."""

    @property
    def certain_ms(self) -> int:
        """What is left of the offset once the error has been taken off."""
        certain = max(0, abs(self.offset_ms) - self.error_ms)
        return certain if self.offset_ms > 0 else -certain


def deviation_ms(offsets: list[int], *, peers: int) -> int | None:
    """Return the largest deviation that f+1 peers confirm, positive where they are ahead; None if too few are known."""
    most = faulty_max(peers + 1)
    if len(offsets) <= most:
        return None
    ascending = sorted(offsets)
    ahead, behind = ascending[-1 - most], ascending[most]
    return ahead if ahead > 0 else min(behind, 0)


@dataclass(slots=True, kw_only=True)
class _Seen:
    """Processes that have spoken as one validator."""

    numbers: list[bytes] = field(default_factory=list)
    """In the order in which each was first seen; the last spoke last."""
    doubled: set[bytes] = field(default_factory=set)
    """Those of them that ran at the same time as another one."""


class PeerClocks:
    """Asks and answers for one node; knows no socket and draws no randomness."""

    def __init__(
        self,
        *,
        instance: bytes,
        outbox: Outbox,
        elapsed: Callable[[], float] = time.monotonic,
        wall: Callable[[], TimeMs] = wall_clock,
    ) -> None:
        """`instance` is this process's number: random, of 16 bytes."""
        self._instance = instance
        self._outbox = outbox
        self._elapsed = elapsed
        self._wall = wall
        self._asked: tuple[TimeMs, float] | None = None
        self._offsets: dict[ValidatorId, ClockOffset] = {}
        self._seen: dict[ValidatorId, _Seen] = {}
        self._ticks = 0

    def tick(self) -> None:
        """Ask every peer from time to time; called about once a second."""
        if self._ticks % ASK_TICKS == 0:
            self._asked = (self._wall(), self._elapsed())
            self._outbox.broadcast(ClockAsked(instance=self._instance, sent=self._asked[0]))
        self._ticks += 1

    def on_asked(self, sender: ValidatorId, message: ClockAsked) -> None:
        """Answer with our time, and say whether the sender's validator runs twice."""
        seen = self._seen.setdefault(sender, _Seen())
        if message.instance not in seen.numbers:
            seen.numbers.append(message.instance)
            seen.doubled -= set(seen.numbers[:-INSTANCES_MAX])
            del seen.numbers[:-INSTANCES_MAX]
        elif seen.numbers[-1] != message.instance:
            seen.doubled |= {seen.numbers[-1], message.instance}
            seen.numbers.remove(message.instance)
            seen.numbers.append(message.instance)
        doubled = message.instance in seen.doubled
        self._outbox.send(sender, ClockTold(sent=message.sent, now=self._wall(), second_node=doubled))

    def on_told(self, sender: ValidatorId, message: ClockTold) -> None:
        """Note a peer's answer to the last question; others came too late to tell anything."""
        if self._asked is None or message.sent != self._asked[0]:
            return
        now = self._elapsed()
        half = (now - self._asked[1]) * 500
        offset = message.now - (message.sent + half)
        self._offsets[sender] = ClockOffset(
            offset_ms=round(offset), error_ms=round(half) + 1, at=now, second_node=message.second_node
        )

    @property
    def offsets(self) -> dict[ValidatorId, ClockOffset]:
        """What is known of each peer's clock, if that is recent."""
        now = self._elapsed()
        return {peer: found for peer, found in self._offsets.items() if now - found.at < FORGET_SECONDS}
