"""The end of an era: what is said to whoever is still in a past one, and what is kept for the next one.

Certificates and votes never mix eras, so a message of another era is never counted. It is no offence either: its sender
has appended the boundary block a moment earlier or later, perhaps under a key that is new here. Whoever speaks from the
past era is sent the certificate of the block that ended it (the body is fetched by digest). What a later era says is a
hint that the sender is ahead; messages of the very next one wait, a few of each validator, for the engine of that era,
also here where only that era gives this node a vote: what it missed would not be said again.
"""

from collections import deque
from typing import assert_never

from msgspec.structs import replace

from consensus import catch_up
from consensus.bodies import check_body
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
from consensus.ports import Effects, Moment, Send
from consensus.replica import Follower
from ledger.encoding import encode
from ledger.errors import InputError
from ledger.quantities import Era, Height, ValidatorId

LATER_EXTRA = 8
"""Messages of the next era kept of each validator, besides bodies and votes of two windows."""
LATER_BYTES_MAX = 16 * 2**20
"""Most bytes of them, encoded, unless the last one alone has more."""


def era_of(message: Message) -> Era | None:
    """Return the era that a message speaks of, None if of none; raises InputError for votes of several."""
    match message:
        case Votes():
            eras = {vote.era for vote in message.bundle.votes}
            if len(eras) > 1:
                raise InputError("votes of one bundle", expected="one era", got=sorted(eras))
            return eras.pop()
        case Status() | FetchNewView() | Complaint():
            return message.era
        case ViewChange() | NewView():
            return message.payload.era
        case Proposal():
            return message.block.header.era
        case Finality():
            return message.certificate.era
        case Pong() | FetchBlocks() | Blocks() | FetchBody() | FetchViewChanges() | Accusation() | Heard():
            return None
        case _:
            assert_never(message)


def answer_past(follower: Follower, sender: ValidatorId, message: Message, now: Moment, out: Effects) -> None:
    """Send the certificate of the block that ended the last era, not more often than things are resent.

    An answer of another replica is not answered in turn: two that have both gone on would do so for ever.
    """
    if isinstance(message, Finality | Proposal):
        return
    state = follower.catch_up
    last = state.answered.get(sender)
    if last is not None and now.elapsed - last < follower.timing.resend:
        return
    boundary = follower.application.block_at(follower.context.root.height)
    if boundary is not None and boundary.certificate is not None:
        state.answered[sender] = now.elapsed
        out.send.append(Send(message=Finality(certificate=boundary.certificate), to=sender))


def on_later(follower: Follower, sender: ValidatorId, now: Moment, out: Effects) -> None:
    """Take a validator's message of a later era for what it shows: a block above the head ended this one."""
    catch_up.note_head(follower, sender, Height(follower.head.height + 1))
    catch_up.ask_if_behind(follower, now, out)


def keep_for_next(follower: Follower, sender: ValidatorId, era: Era, message: Message) -> None:
    """Let a message of the very next era wait for its engine; beyond a bound that sender's oldest ones go.

    All are bounded by number and by bytes. A body, the only one of any size that an honest validator sends often, is
    bounded by two windows besides, and makes room before the others: it can be asked for again, and must not push votes
    out. Raises InvalidBlock for one that is not that of its header. No more is verified: the next set is not known.

    Of heartbeats the newest says all, and waits apart: they come for as long as this replica is late. What has waited
    says nothing of a round trip.
    """
    if era != follower.context.era + 1:
        return
    if isinstance(message, Status):
        follower.later_status[sender] = replace(message, sent=None)
        return
    if isinstance(message, Proposal):
        check_body(message.block)
    kept = follower.later.setdefault(sender, deque())
    kept.append((len(encode(message)), message))
    _make_room(kept, follower.context.window)


def _make_room(kept: deque[tuple[int, Message]], window: int) -> None:
    """Drop the oldest messages beyond the bounds, but not the last one."""
    bodies = [one for one in kept if isinstance(one[1], Proposal)]
    for oldest in bodies[: -2 * window]:
        kept.remove(oldest)
    while len(kept) > 4 * window + LATER_EXTRA:
        kept.popleft()
    while len(kept) > 1 and sum(size for size, _ in kept) > LATER_BYTES_MAX:
        older = (one for one in kept if isinstance(one[1], Proposal) and one is not kept[-1])
        kept.remove(next(older, kept[0]))
