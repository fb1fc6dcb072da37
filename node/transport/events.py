"""What links report: events for the log, and counts for the metrics.

Events of links that we dial come at the pace of our own dialling. Those of incoming connections come as fast as others
connect: whoever writes them down limits how many.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ledger.errors import QuorateError
from ledger.quantities import ValidatorId


class LinkEventKind(StrEnum):
    """What happened; log lines and metrics go by these names."""

    LINK_UP = "link-up"
    """We can send to the peer."""
    LINK_DOWN = "link-down"
    DIAL_FAILED = "dial-failed"
    """Reported once for each different reason in a row; dialling goes on."""
    FRAMES_DROPPED = "frames-dropped"
    """The queue to a peer is full; reported once until it has been emptied."""
    INCOMING_UP = "incoming-up"
    """The peer can send to us."""
    INCOMING_DOWN = "incoming-down"
    INCOMING_REFUSED = "incoming-refused"
    """A connection was dropped before it was one of ours."""
    ACCEPT_FAILED = "accept-failed"
    """The operating system gives no more connections."""
    BLOB_SENT = "blob-sent"
    BLOB_FAILED = "blob-failed"
    """A transfer to a peer ended before its end."""
    SNAPSHOT_SENT = "snapshot-sent"
    SNAPSHOT_FAILED = "snapshot-failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEvent:
    """One thing that happened on links."""

    kind: LinkEventKind
    peer: ValidatorId | None = None
    """Whom it is about; none for a stranger."""
    address: str = ""
    """Where an incoming connection came from, or where we dialled."""
    error: QuorateError | None = None
    """Why; none for what is no failure."""


OnEvent = Callable[[LinkEvent], None]


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Counts of one peer's links since start, of messages only."""

    frames_sent: int = 0
    """Handed to a connection; the connection may break before they arrive."""
    bytes_sent: int = 0
    """Payloads without their lengths, as in `bytes_received`."""
    writes: int = 0
    frames_dropped: int = 0
    frames_received: int = 0
    bytes_received: int = 0
