"""Words for what a message says and what a record holds: for transcripts of seeds and of scenarios."""

from collections.abc import Iterator, Sequence

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
from ledger.errors import QuorateError
from ledger.evidence import claimed_offence
from ledger.hashing import Digest
from ledger.quantities import Height
from ledger.votes import Vote

DIGITS = 6


def of_message(message: Message) -> str:
    """Return what a message says, in a line."""
    return ", ".join(said(message)) or type(message).__name__.lower()


def said(message: Message) -> Iterator[str]:  # noqa: C901, PLR0912 - one case a message
    """Describe what a message says of the order; a bundle as one line a vote."""
    match message:
        case Votes():
            yield from map(_vote, message.bundle.votes)
        case Proposal():
            header, count = message.block.header, len(message.block.transactions)
            yield f"body {short(header.digest)} height={header.height} transactions={count}"
        case ViewChange():
            yield _view_change(message)
        case NewView():
            yield _new_view(message)
        case Finality():
            yield f"finality height={message.certificate.height} {short(message.certificate.digest)}"
        case Status():
            yield f"status view={message.view} head={message.head}"
        case FetchBlocks():
            yield f"fetch-blocks from {message.start}"
        case Blocks():
            heights = [certified.block.header.height for certified in message.blocks]
            yield f"blocks {heights[0]} to {heights[-1]}" if heights else "no blocks"
        case FetchBody():
            yield f"fetch-body {short(message.digest)}"
        case FetchViewChanges():
            yield f"fetch-view-changes {len(message.digests)}"
        case FetchNewView():
            yield f"fetch-new-view view={message.view}"
        case Accusation():
            yield _accusation(message)
        case Heard():
            told = [f"{one.proof.validator}:{short(one.vote.digest)}" for one in message.votes]
            places = {f"view={one.vote.view} height={one.vote.height}" for one in message.votes}
            yield " ".join(["heard", *sorted(places), *told])
        case Complaint():
            yield f"complaint view={message.view}"
        case Pong():
            pass  # it says nothing of what is ordered


def _accusation(message: Accusation) -> str:
    try:
        offence = claimed_offence(message.evidence, first_height=Height(1))
    except QuorateError as error:  # what liars say need not make sense
        return f"accusation of nothing: {error}"
    return f"accusation of {offence.offender}: {offence.kind.name.lower()} view={offence.view} height={offence.height}"


def of_records(records: Sequence[Record]) -> str:
    """Return what a sync puts on a disk, in a line."""
    return "; ".join(map(_record, records))


def _record(record: Record) -> str:  # noqa: PLR0911 - one case a record
    match record:
        case VotesRecord():
            return "votes " + ", ".join(map(_vote, record.votes))
        case BodyRecord():
            return f"body {short(record.block.header.digest)} height={record.block.header.height}"
        case PrePrepareRecord():
            return f"the primary's {_vote(record.vote)}"
        case PreparedRecord():
            header = record.certificate.header
            return f"prepared view={record.certificate.view} height={header.height} {short(header.digest)}"
        case ViewChangeRecord():
            return _view_change(record.view_change)
        case EnteredRecord():
            return f"entered by {_new_view(record.new_view)}"
        case CutRecord():
            return f"cut up to {record.height}"


def _vote(vote: Vote) -> str:
    name = vote.kind.name.lower().replace("_", "-")
    return f"{name} view={vote.view} height={vote.height} {short(vote.digest)}"


def _view_change(change: ViewChange) -> str:
    payload = change.payload
    head = "none" if payload.certificate is None else f"{payload.certificate.height}"
    held = [f"{held.header.height}:{short(held.header.digest)}@{held.view}" for held in payload.prepared]
    return f"view-change view={payload.view} certificate={head} prepared=[{' '.join(held)}]"


def _new_view(new_view: NewView) -> str:
    payload = new_view.payload
    chosen = [f"{choice.height}:{short(choice.digest)}" for choice in payload.choices]
    return f"new-view view={payload.view} base={payload.base.height} choices=[{' '.join(chosen)}]"


def short(digest: Digest) -> str:
    """Return enough of a digest to tell the blocks of a run apart."""
    return digest.hex()[:DIGITS]
