"""What the chain does by itself: before a block's transactions what is due, after them what follows from them.

A block begins with the marks due at its time, in key order (time, then task), at most `block_actions_max`; the list is
taken first, so what an action makes due waits for the next block. It ends with the follow-ups of its transactions, each
once, in the order of `FollowUp`: attestations counted, first rounds opened, complete rounds closed; and last with the
version of the rules that the next block is to follow.
"""

from collections.abc import Iterable
from itertools import islice, takewhile
from typing import assert_never

from contracts import due, protocols
from contracts.closing import begin_second_attempt, close, draw_committee
from contracts.context import BlockContext
from contracts.due import DueAction, DueMark
from contracts.outcomes import settle, void
from contracts.rounds import current_round, existing_round, existing_task, open_next
from contracts.verdicts import FollowUp, FollowUpKind
from ledger import state_keys
from ledger.entries import SystemAction, VoidReason
from ledger.hashing import ZERO_DIGEST
from ledger.records import RoundStatus
from ledger.state import Overlay


def forget_expired(context: BlockContext, state: Overlay) -> None:
    """Delete ids of transactions that could not enter any more, at most `block_prunes_max`; not a log entry."""
    bound = state_keys.used(context.height, ZERO_DIGEST)
    keys = (key for key, _ in state.scan(state_keys.USED_PREFIX))
    expired = takewhile(lambda key: key < bound, keys)
    for key in list(islice(expired, context.parameters.block_prunes_max)):
        state.delete(key)


def begin(context: BlockContext, state: Overlay) -> list[SystemAction]:
    """Carry out what is due at the block's time."""
    marks = due.due_at(state, context.time, most=context.parameters.block_actions_max)
    actions: list[SystemAction] = []
    for key, mark in marks:
        state.delete(key)
        actions += _carry_out(context, state, mark)
    return actions


def end(context: BlockContext, state: Overlay, follow_ups: Iterable[FollowUp]) -> list[SystemAction]:
    """Carry out what follows from the block's transactions, as far as it still holds."""
    actions: list[SystemAction] = []
    for follow_up in sorted(set(follow_ups)):
        actions += _follow_up(context, state, follow_up)
    return [*actions, *protocols.activate(context, state)]


def _carry_out(context: BlockContext, state: Overlay, mark: DueMark) -> list[SystemAction]:
    record = existing_round(state, mark.task, mark.round)
    match mark.action:
        case DueAction.CLOSE:
            return close(context, state, record)
        case DueAction.DRAW:
            return [draw_committee(context, state, record)]
        case DueAction.SECOND_ATTEMPT:
            return [begin_second_attempt(context, state, record)]
        case DueAction.VOID:
            return void(context, state, record, VoidReason.NOT_ATTESTED)
        case _:
            assert_never(mark.action)


def _follow_up(context: BlockContext, state: Overlay, follow_up: FollowUp) -> list[SystemAction]:
    match follow_up.kind:
        case FollowUpKind.SETTLE:
            return settle(context, state, follow_up.task, follow_up.round)
        case FollowUpKind.OPEN:
            return [open_next(context, state, existing_task(state, follow_up.task))]
        case FollowUpKind.CLOSE:
            return _close_if_complete(context, state, follow_up)
        case _:
            assert_never(follow_up.kind)


def _close_if_complete(context: BlockContext, state: Overlay, follow_up: FollowUp) -> list[SystemAction]:
    """Close a round before its deadline, unless an update has been withdrawn or the task halted since."""
    if current_round(existing_task(state, follow_up.task)) != follow_up.round:
        return []
    record = existing_round(state, follow_up.task, follow_up.round)
    if record.status is not RoundStatus.OPEN or record.accepted < len(record.invited):
        return []
    state.delete(state_keys.due(record.deadline, record.task, record.round))
    return close(context, state, record)
