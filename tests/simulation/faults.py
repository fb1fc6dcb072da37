"""What may go wrong in a run, and messages as they travel through it."""

from dataclasses import dataclass

from consensus.messages import Message, Votes
from ledger.encoding import Noun, decode, encode


class Envelope(Noun, frozen=True, kw_only=True):
    """A message as it travels, so that every codec is part of the run."""

    message: Message


_ARRIVED_MAX = 2_000
_arrived: dict[bytes, Message] = {}
"""What bytes were decoded to lately: most of what is sent is sent again, and what arrives is never changed."""


def travelled(message: Message) -> Message:
    """Return a message as it comes out at the other end; the same bytes come out as the same object."""
    data = encode(Envelope(message=message))
    arrived = _arrived.get(data)
    if arrived is None:
        if len(_arrived) >= _ARRIVED_MAX:
            _arrived.clear()
        arrived = _arrived[data] = decode(data, Envelope).message
    return arrived


def kinds(message: Message) -> set[str]:
    """Name what a message is, and the votes that are in it."""
    votes = message.bundle.votes if isinstance(message, Votes) else ()
    return {type(message).__name__, *(vote.kind.name for vote in votes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What may go wrong while faults last; probabilities per message or per step."""

    loss: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.02
    """Mean one-way delay in seconds, exponentially distributed: reordering follows from it."""
    busy: float = 0.0
    """Longest time for which a process lets inputs wait, and then takes them together in one turn."""
    crash: float = 0.0
    """Probability of a crash at each point where something has just been written, or not yet."""
    partition: float = 0.0
    """Probability per second that the network splits, loses one direction of some links, or what some kind of message
    says to some, for a while."""
    skew: float = 0.0
    """Largest difference of a replica's wall clock, in seconds."""
    jump: float = 0.0
    """Probability per second that a replica's wall clock is set anew."""
    cut: float = 0.0
    """Probability that the vote log is cut after a turn."""


NO_FAULTS = Faults()
