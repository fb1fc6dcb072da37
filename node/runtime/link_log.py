"""Links as log lines: what others bring about, stranger or validator, fills no log."""

import structlog

from node.runtime.log_pace import Pace
from node.transport.events import LinkEvent, LinkEventKind

log = structlog.get_logger()

QUIET = {LinkEventKind.BLOB_SENT, LinkEventKind.SNAPSHOT_SENT, LinkEventKind.INCOMING_UP, LinkEventKind.INCOMING_DOWN}
"""Of interest only where something went wrong."""
PROVOKED = {
    LinkEventKind.INCOMING_REFUSED,
    LinkEventKind.INCOMING_DOWN,
    LinkEventKind.BLOB_FAILED,
    LinkEventKind.SNAPSHOT_FAILED,
}
"""Failures of connections that others have opened."""


class LinkLog:
    """Writes down what links report."""

    def __init__(self) -> None:
        self._pace = Pace()

    def __call__(self, event: LinkEvent) -> None:
        """Write one event, or count it."""
        if event.error is None:
            write = log.debug if event.kind in QUIET else log.info
            write(event.kind.value, peer=event.peer, address=event.address)
            return
        count = self._pace.count((event.kind, event.peer)) if event.kind in PROVOKED else 1
        if count:
            log.info(
                event.kind.value,
                peer=event.peer,
                address=event.address,
                code=event.error.code,
                error=str(event.error),
                count=count,
            )
