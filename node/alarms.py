"""Alarms: what an operator must know of although the node runs on; logged once when raised and once when cleared.

They never take a node out of service by themselves: what must stop serving stops (`/readyz` says so), and what must
stop voting ends the process. An alarm is the time before that, in which a person can still do something.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import structlog

from ledger.quantities import TimeMs

log = structlog.get_logger()


class AlarmKind(StrEnum):
    """What an alarm is about; the label of `quorate_alarm`."""

    DISK = "disk"
    """Free space is short."""
    CLOCK = "clock"
    """This host's clock and those of its peers differ."""
    LINKS = "links"
    """Too few peers answer to make a quorum."""
    CORRUPTION = "corruption"
    """Something that was stored, or computed from it, is not what it was or should be."""
    VOTE = "vote"
    """This validator does not vote."""
    SECOND_NODE = "second-node"
    """A peer has met another process that runs as this validator."""
    PROTOCOL = "protocol"
    """A protocol version is going to be activated that this software does not know."""


class AlarmLevel(IntEnum):
    """How bad it is; the value of `quorate_alarm`, which is 0 where there is no alarm."""

    WARNING = 1
    """Nothing is refused yet."""
    CRITICAL = 2
    """Something is refused, lost, or about to stop the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One condition that holds now."""

    kind: AlarmKind
    subject: str
    """What it is about where a kind may have several: a blob, a peer."""
    level: AlarmLevel
    detail: str
    """Expected and found, for people."""
    since: TimeMs
    """When it was raised, by this host's clock."""


class Alarms:
    """The alarms of one node."""

    def __init__(self) -> None:
        self._active: dict[tuple[AlarmKind, str], Alarm] = {}

    def __iter__(self) -> Iterator[Alarm]:
        return iter([self._active[key] for key in sorted(self._active)])

    def put(self, kind: AlarmKind, level: AlarmLevel, detail: str, *, now: TimeMs, subject: str = "") -> None:
        """Raise an alarm, or say how it stands now; only a new one, or a new level of one, is logged."""
        before = self._active.get((kind, subject))
        since = now if before is None else before.since
        self._active[kind, subject] = Alarm(kind=kind, subject=subject, level=level, detail=detail, since=since)
        if before is None or before.level != level:
            write = log.error if level is AlarmLevel.CRITICAL else log.warning
            write("alarm-raised", kind=kind.value, subject=subject, level=level.name.lower(), detail=detail)

    def clear(self, kind: AlarmKind, *, subject: str = "") -> None:
        """Take an alarm back, if there is one."""
        if self._active.pop((kind, subject), None) is not None:
            log.info("alarm-cleared", kind=kind.value, subject=subject)
