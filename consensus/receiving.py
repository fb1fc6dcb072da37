"""What becomes of a message: judged by its era first, then handed to what it concerns.

What follows from everything that has arrived together is no business of this module, but of the engine's turn.
"""

from consensus import accountability, catch_up, changing, eras, finality, normal_case, watching
from consensus.errors import ProtocolViolation
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
from consensus.ports import Effects, Moment
from consensus.replica import Replica
from ledger.errors import InputError, VerificationFailed
from ledger.quantities import ValidatorId


def take_in(replica: Replica, sender: ValidatorId, message: Message, now: Moment, out: Effects) -> None:
    """Act on a peer's message; raises ProtocolViolation, leaving everything as it was, if no honest peer sends it."""
    try:
        if _is_of_this_era(replica, sender, message, now, out):
            _dispatch(replica, sender, message, now, out)
    except (InputError, VerificationFailed) as error:
        raise ProtocolViolation(sender, f"{type(message).__name__}: {error}") from error
    watching.hear(replica, sender, now)


def _is_of_this_era(replica: Replica, sender: ValidatorId, message: Message, now: Moment, out: Effects) -> bool:
    """Return whether a message is to be counted here; see to those of other eras, and of who has no vote."""
    if sender == replica.id:
        raise InputError("sender", expected="another validator", got=sender)
    era, own = eras.era_of(message), replica.context.era
    if sender not in replica.context.validators:
        if isinstance(message, FetchBlocks):
            catch_up.on_fetch_blocks(replica, sender, message, out)
        elif era is not None and era < own:
            eras.answer_past(replica, sender, message, now, out)
        return False
    if era is None or era == own:
        return True
    if era < own:
        eras.answer_past(replica, sender, message, now, out)
    else:
        eras.keep_for_next(replica, sender, era, message)
        if not isinstance(message, Status):
            eras.on_later(replica, sender, now, out)
    return isinstance(message, Status)


def _dispatch(  # noqa: C901, PLR0912 - one case a message, frequent ones first
    replica: Replica, sender: ValidatorId, message: Message, now: Moment, out: Effects
) -> None:
    match message:
        case Votes():
            normal_case.on_votes(replica, sender, message, now, out)
        case Status():
            catch_up.on_status(replica, sender, message, now, out)
            watching.answer_heartbeat(replica, sender, message, now, out)
        case Pong():
            watching.on_pong(replica, sender, message, now)
        case Proposal():
            catch_up.on_proposal(replica, sender, message)
        case ViewChange():
            changing.on_view_change(replica, sender, message, now, out)
        case NewView():
            changing.on_new_view(replica, sender, message, now, out)
        case Finality():
            finality.on_finality(replica, message)
        case FetchBlocks():
            catch_up.on_fetch_blocks(replica, sender, message, out)
        case Blocks():
            catch_up.take_in(replica, sender, message)
        case FetchBody():
            catch_up.on_fetch_body(replica, sender, message, out)
        case FetchViewChanges():
            changing.on_fetch_view_changes(replica, sender, message, out)
        case FetchNewView():
            changing.on_fetch_new_view(replica, sender, message, out)
        case Accusation():
            accountability.on_accusation(replica, message)
        case Heard():
            accountability.on_heard(replica, message)
        case Complaint():
            watching.on_complaint(replica, sender, message, now)
