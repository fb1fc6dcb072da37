"""One line for what a process hears, and for what it puts on its disk: the long transcript of one seed."""

from collections.abc import Sequence

from consensus.messages import (
    Accusation,
    Blocks,
    Complaint,
    FetchBlocks,
    FetchBody,
    FetchNewView,
    FetchViewChanges,
    Finality,
    Heard,
    Message,
    NewView,
    Ping,
    Pong,
    Proposal,
    Status,
    ViewChange,
    Votes,
)
from consensus.records import (
    BodyRecord,
    CutRecord,
    EnteredRecord,
    PreparedRecord,
    PrePrepareRecord,
    Record,
    ViewChangeRecord,
    VotesRecord,
)
from ledger.hashing import Digest
from ledger.votes import Vote

DIGITS = 6
"""Of a digest: enough to tell the blocks of a run apart."""


def of_message(message: Message) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a message
    """Return what a message says, in a line."""
    match message:
        case Votes():
            return ", ".join(map(_vote, message.bundle.votes))
        case Proposal():
            header = message.block.header
            return f"body of {header.height} {_short(header.digest)}, {len(message.block.transactions)} transactions"
        case ViewChange():
            return _view_change(message)
        case NewView():
            return _new_view(message)
        case Finality():
            certificate = message.certificate
            return f"certificate of {certificate.height} {_short(certificate.digest)} from view {certificate.view}"
        case Status():
            return f"status: era {message.era}, view {message.view}, head {message.head}"
        case FetchBlocks():
            return f"asks for {message.count} blocks from {message.start} on"
        case Blocks():
            heights = [certified.block.header.height for certified in message.blocks]
            return f"blocks {heights[0]} to {heights[-1]}" if heights else "no blocks"
        case FetchBody():
            return f"asks for the body {_short(message.digest)}"
        case FetchViewChanges():
            return f"asks for view changes {' '.join(map(_short, message.digests))}"
        case FetchNewView():
            return f"asks for NEW-VIEW({message.view})"
        case Accusation():
            return f"accuses: {type(message.evidence).__name__}"
        case Heard():
            return "has heard " + ", ".join(f"{it.proof.validator}: {_vote(it.vote)}" for it in message.votes)
        case Complaint():
            return f"complains about the primary of view {message.view}"
        case Ping() | Pong():
            return type(message).__name__.lower()


def of_records(records: Sequence[Record]) -> str:
    """Return what a sync puts on a disk, in a line."""
    return "; ".join(map(_record, records))


def _record(record: Record) -> str:  # noqa: PLR0911 - one case a record
    match record:
        case VotesRecord():
            return "votes " + ", ".join(map(_vote, record.votes))
        case BodyRecord():
            return f"body of {record.block.header.height} {_short(record.block.header.digest)}"
        case PrePrepareRecord():
            return f"the primary's {_vote(record.vote)}"
        case PreparedRecord():
            header = record.certificate.header
            return (
                f"prepared certificate of {header.height} {_short(header.digest)} from view {record.certificate.view}"
            )
        case ViewChangeRecord():
            return _view_change(record.view_change)
        case EnteredRecord():
            return f"entered by {_new_view(record.new_view)}"
        case CutRecord():
            return f"cut up to {record.height}"


def _vote(vote: Vote) -> str:
    return f"{vote.kind.name} {vote.height} {_short(vote.digest)} in view {vote.view}"


def _view_change(change: ViewChange) -> str:
    payload = change.payload
    head = "no certificate" if payload.certificate is None else f"certificate of {payload.certificate.height}"
    held = ", ".join(f"{it.header.height} {_short(it.header.digest)} from view {it.view}" for it in payload.prepared)
    return f"VIEW-CHANGE({payload.view}) of {payload.validator}: {head}, prepared: {held or 'nothing'}"


def _new_view(new_view: NewView) -> str:
    payload = new_view.payload
    chosen = ", ".join(f"{choice.height} {_short(choice.digest)}" for choice in payload.choices)
    return f"NEW-VIEW({payload.view}): base {payload.base.height}, carried over: {chosen or 'nothing'}"


def _short(digest: Digest) -> str:
    return digest.hex()[:DIGITS]
