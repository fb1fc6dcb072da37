"""Faults, drawn from a seed: what is done to whom, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.chaos.links import Link, Rules


class Kind(StrEnum):
    """What happens."""

    KILL = "kill"
    """SIGKILL, and later a new start, of some: up to one more than may fail."""
    KILL_PRIMARY = "kill-primary"
    KILL_ALL = "kill-all"
    """All at once, as when the power fails, again and again."""
    KILL_STARTING = "kill-starting"
    """SIGKILL of one, again and again while it starts and recovers."""
    PAUSE = "pause"
    """SIGSTOP of some, and later SIGCONT."""
    PAUSE_PRIMARY = "pause-primary"
    ISOLATE = "isolate"
    """One hears nobody and is heard by nobody."""
    ISOLATE_PRIMARY = "isolate-primary"
    HALVES = "halves"
    """Two groups that do not hear each other."""
    ONE_WAY = "one-way"
    """One hears the others, but is not heard; or the reverse."""
    LOSS = "loss"
    """Packets are lost, doubled and overtake each other on every link."""
    DELAY = "delay"
    """Every packet of every link is late."""
    FULL_DISK = "full-disk"
    """There is no room for one validator's files; later there is again."""
    TORN_LOG = "torn-log"
    """Killed while it wrote to its vote log: the last record is there in part."""
    LAST_RECORD = "last-record"
    """Killed, and a bit of the last record of its vote log is another one."""
    DAMAGED_LOG = "damaged-log"
    """A bit within its vote log is another one: must be refused. The disk is repaired then."""
    DAMAGED_DATABASE = "damaged-database"
    """A bit of its chain database is another one: must be refused, and the chain fetched again."""


ON_LINKS = frozenset({Kind.ISOLATE, Kind.ISOLATE_PRIMARY, Kind.HALVES, Kind.ONE_WAY, Kind.LOSS, Kind.DELAY})
"""Need a network that can fail."""
OF_PRIMARY = frozenset({Kind.KILL_PRIMARY, Kind.PAUSE_PRIMARY, Kind.ISOLATE_PRIMARY})
OF_ONE = frozenset(
    {
        *(Kind.KILL_STARTING, Kind.ISOLATE, Kind.ONE_WAY),
        *(Kind.FULL_DISK, Kind.TORN_LOG, Kind.DAMAGED_LOG, Kind.DAMAGED_DATABASE),
    }
)
MAY_BE_LONG = frozenset({Kind.PAUSE, Kind.PAUSE_PRIMARY, Kind.ISOLATE, Kind.ISOLATE_PRIMARY, Kind.HALVES})
LONG_RATIO = 0.2
LONG_SECONDS = 40.0
"""Beyond every timeout of a link."""
SHORT = {Kind.KILL_ALL, Kind.TORN_LOG, Kind.LAST_RECORD, Kind.DAMAGED_LOG, Kind.DAMAGED_DATABASE}


GOOD = Link()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Victims of a fault of the primary are found when it begins."""

    kind: Kind
    victims: tuple[int, ...]
    seconds: float
    """From its beginning until it is healed."""
    link: Link = GOOD
    """What LOSS and DELAY do to every link."""
    outward: bool = True
    """ONE_WAY: whether the victim is not heard, rather than hears nothing."""
    seed: int = 0
    """For what is drawn while it is carried out: which bit, which byte."""

    def __str__(self) -> str:
        whom = "the primary" if self.kind in OF_PRIMARY else ",".join(map(str, self.victims)) or "all"
        how = ""
        if self.kind in {Kind.LOSS, Kind.DELAY}:
            link = self.link
            delay = f"delay {link.delay_ms:.0f} to {link.delay_ms + link.jitter_ms:.0f} ms"
            how = f" (loss {link.loss:.0%}, {delay}, twice {link.duplicate:.0%})"
        elif self.kind is Kind.ONE_WAY:
            how = " (not heard)" if self.outward else " (hears nothing)"
        return f"{self.kind} of {whom}{how} for {self.seconds:.1f} s"


def draw(chance: Random, kind: Kind, *, size: int, seconds_max: float = 8.0) -> Fault:
    """Draw one fault of a kind for so many validators.

    Only one and the same validator ever loses the last record of its vote log: it may then vote twice, so it counts as
    Byzantine, and there may be no more than f of those.
    """
    faulty_max = (size - 1) // 3
    if kind in {Kind.KILL, Kind.PAUSE}:
        count = chance.randint(1, faulty_max + 1)
    elif kind is Kind.HALVES:
        count = chance.randint(1, size // 2)
    else:
        count = 1 if kind in OF_ONE else 0
    victims = (size - 1,) if kind is Kind.LAST_RECORD else tuple(sorted(chance.sample(range(size), count)))
    link = GOOD
    if kind is Kind.LOSS:
        link = Link(loss=chance.uniform(0.01, 0.2), jitter_ms=chance.uniform(0, 20), duplicate=chance.uniform(0, 0.2))
    elif kind is Kind.DELAY:
        link = Link(delay_ms=chance.uniform(5, 150), jitter_ms=chance.uniform(0, 50))
    seconds = 0.5 if kind in SHORT else chance.uniform(0.5, seconds_max)
    if kind in MAY_BE_LONG and chance.random() < LONG_RATIO:
        seconds = chance.uniform(seconds_max, LONG_SECONDS)
    return Fault(
        kind=kind,
        victims=victims,
        seconds=seconds,
        link=link,
        outward=chance.random() < 0.5,
        seed=chance.getrandbits(32),
    )


def rules_of(fault: Fault, victims: Sequence[int], *, size: int) -> Rules:
    """Return what a fault does to the links."""
    if fault.kind in {Kind.LOSS, Kind.DELAY}:
        return {f"{a}>{b}": fault.link for a in range(size) for b in range(size) if a != b}
    cut = Link(blocked=True)
    here, there = victims, [place for place in range(size) if place not in victims]
    outward = {f"{a}>{b}": cut for a in here for b in there}
    inward = {f"{b}>{a}": cut for a in here for b in there}
    if fault.kind is Kind.ONE_WAY:
        return outward if fault.outward else inward
    return outward | inward
