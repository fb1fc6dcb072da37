"""What a replica writes to its vote log before it acts; read back after a crash, in order.

One sync covers, before anything leaves: block body and pre-prepare before PREPARE, prepared certificate before COMMIT,
own VIEW-CHANGE and accepted NEW-VIEW before sending or acting (CONSENSUS.md, durability).
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta

from consensus.messages import NewView, ViewChange
from ledger.blocks import Block
from ledger.certificates import PreparedCertificate
from ledger.encoding import Noun, decode, encode
from ledger.quantities import Era, EraField, Height, HeightField
from ledger.votes import Vote, VoteProof


class BodyRecord(Noun, frozen=True, kw_only=True, tag=1):
    """A block that is about to be voted for, so that it survives whoever proposed it."""

    block: Block


class PrePrepareRecord(Noun, frozen=True, kw_only=True, tag=2):
    """The primary's pre-prepare that a prepare answers."""

    vote: Vote
    proof: VoteProof


class VotesRecord(Noun, frozen=True, kw_only=True, tag=3):
    """Votes that are about to be signed as one bundle; signing again gives the same bytes."""

    votes: Annotated[tuple[Vote, ...], Meta(min_length=1)]


class PreparedRecord(Noun, frozen=True, kw_only=True, tag=4):
    """A prepared certificate, kept until its height is appended."""

    certificate: PreparedCertificate


class ViewChangeRecord(Noun, frozen=True, kw_only=True, tag=5):
    """An own VIEW-CHANGE as it is sent."""

    view_change: ViewChange


class EnteredRecord(Noun, frozen=True, kw_only=True, tag=6):
    """A NEW-VIEW that was verified, with the view changes it names."""

    new_view: NewView
    view_changes: tuple[ViewChange, ...]


class CutRecord(Noun, frozen=True, kw_only=True, tag=7):
    """That records were cut away, their blocks being appended: up to this height the log does not know what was voted.

    It matters where the log outlives the chain, which is then fetched again (rule S12).
    """

    era: EraField
    height: HeightField


Record: TypeAlias = (
    BodyRecord | PrePrepareRecord | VotesRecord | PreparedRecord | ViewChangeRecord | EnteredRecord | CutRecord
)


class _Envelope(Noun, frozen=True, kw_only=True):
    record: Record


def encode_record(record: Record) -> bytes:
    """Return the bytes that the vote log keeps."""
    return encode(_Envelope(record=record))


def decode_record(data: bytes) -> Record:
    """Invert `encode_record`; raises MalformedEncoding or NonCanonicalEncoding."""
    return decode(data, _Envelope).record


def era_of(record: Record) -> Era:  # noqa: PLR0911 - one case a record
    """Return the era that a record belongs to; a log may still hold records of the one before."""
    match record:
        case BodyRecord():
            return record.block.header.era
        case PrePrepareRecord():
            return record.vote.era
        case VotesRecord():
            return record.votes[0].era
        case PreparedRecord():
            return record.certificate.header.era
        case ViewChangeRecord():
            return record.view_change.payload.era
        case EnteredRecord():
            return record.new_view.payload.era
        case CutRecord():
            return Era(record.era)


def records_since(records: Sequence[bytes], era: Era, *, root: Height) -> list[bytes]:
    """Return what must stay in the vote log once an era has begun above the block at `root`, in order.

    Of the past ones only up to where they went: votes for heights above that were decided against.
    """
    return _with_cut(records, [data for data in records if era_of(decode_record(data)) >= era], head=root)


def needed_records(records: Sequence[bytes], *, head: Height) -> list[bytes]:
    """Return what must stay in the vote log once everything up to `head` has been appended durably, in order.

    That is whatever speaks of a greater height, and where the validator stands: the last NEW-VIEW that it entered and a
    VIEW-CHANGE that it sent after it; and, of the rest, up to where it went.
    """
    entered: bytes | None = None
    left: bytes | None = None
    for data in records:
        match decode_record(data):
            case EnteredRecord():
                entered, left = data, None
            case ViewChangeRecord():
                left = data
            case _:
                pass
    kept = [data for data in records if data in {entered, left} or greatest_height(decode_record(data)) > head]
    return _with_cut(records, kept, head=head)


def _with_cut(records: Sequence[bytes], kept: list[bytes], *, head: Height) -> list[bytes]:
    """Return what is kept, behind a record of what is not: all of that was about heights that have been appended."""
    staying = set(kept)
    gone = [decode_record(data) for data in records if data not in staying]
    height = min(head, max(map(greatest_height, gone), default=-1))
    if height < 0:
        return kept
    return [encode_record(CutRecord(era=max(map(era_of, gone)), height=Height(height))), *kept]


def greatest_height(record: Record) -> int:
    """Return the greatest height that a record speaks of; -1 for one that says where the validator stands."""
    match record:
        case BodyRecord():
            return record.block.header.height
        case PrePrepareRecord():
            return record.vote.height
        case VotesRecord():
            return max(vote.height for vote in record.votes)
        case PreparedRecord():
            return record.certificate.header.height
        case CutRecord():
            return record.height
        case ViewChangeRecord() | EnteredRecord():
            return -1
