"""What validators send each other on links: the messages of consensus, and those of the duties beside it."""

from typing import Annotated, TypeAlias

from msgspec import Meta

from consensus.messages import Message
from ledger.blobs import Hold, HoldSignature, SignedTicket
from ledger.encoding import Noun, decode, encode
from ledger.quantities import TimeField

INSTANCE_BYTES = 16
GOSSIP_MAX = 1_000
"""Most transactions in one message."""


class Transactions(Noun, frozen=True, kw_only=True, tag=64):
    """Signed transactions that were admitted somewhere: every validator hears of each."""

    raw: Annotated[tuple[bytes, ...], Meta(max_length=GOSSIP_MAX)]


class Announce(Noun, frozen=True, kw_only=True, tag=65):
    """A blob has arrived here: fetch it, compute its facts, and send your HOLD."""

    ticket: SignedTicket


class Held(Noun, frozen=True, kw_only=True, tag=66):
    """The sender's HOLD."""

    hold: Hold
    signature: HoldSignature


class ClockAsked(Noun, frozen=True, kw_only=True, tag=67):
    """What is your time? (`node.runtime.peer_clocks`)."""

    instance: Annotated[bytes, Meta(min_length=INSTANCE_BYTES, max_length=INSTANCE_BYTES)]
    """Random number of the process that asks."""
    sent: TimeField
    """The sender's time; the answer repeats it."""


class ClockTold(Noun, frozen=True, kw_only=True, tag=68):
    """The answer."""

    sent: TimeField
    now: TimeField
    """The answerer's time."""
    second_node: bool
    """Another process has spoken as the validator that asked, before and after this one."""


Duty: TypeAlias = Transactions | Announce | Held | ClockAsked | ClockTold


class ConsensusFrame(Noun, frozen=True, kw_only=True, tag=1):
    """For the engine."""

    message: Message


class DutyFrame(Noun, frozen=True, kw_only=True, tag=2):
    """For everything else."""

    message: Duty


Frame: TypeAlias = ConsensusFrame | DutyFrame


class _Wire(Noun, frozen=True, kw_only=True):
    frame: Frame


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes that a link carries."""
    return encode(_Wire(frame=frame))


def decode_frame(data: bytes) -> Frame:
    """Invert `encode_frame`; raises MalformedEncoding or NonCanonicalEncoding."""
    return decode(data, _Wire).frame
