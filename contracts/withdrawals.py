"""Withdraw: a participant takes back its accepted update before the round closes.

It may submit another one while the round is open; if it does not, its fate is `withdrawn`.
"""

from enum import StrEnum

from msgspec.structs import replace

from contracts import queries
from contracts.context import Call
from contracts.rounds import current_round, existing_round
from contracts.verdicts import Judgement, Refused, accept
from ledger import state_keys
from ledger.encoding import encode
from ledger.quantities import ParticipantId
from ledger.records import KeyRole, RoundStatus
from ledger.transactions import Withdraw


class WithdrawalRule(StrEnum):
    """Why a withdrawal is refused."""

    AUTHOR_NOT_PARTICIPANT = "W1"
    """The author is no participant's key."""
    TASK_UNKNOWN = "W2"
    """There is no task of this name."""
    ROUND_NOT_CURRENT = "W3"
    """Another round is the current one: (named, current; 0 if the task has none)."""
    ROUND_CLOSED = "W4"
    """The inputs are frozen: (time of the block, deadline)."""
    NOTHING_ACCEPTED = "W5"
    """The participant has no accepted update in this round."""


def judge(call: Call, body: Withdraw) -> Judgement:
    """Take the participant's update out of the round."""
    if call.author.role is not KeyRole.PARTICIPANT:
        raise Refused(WithdrawalRule.AUTHOR_NOT_PARTICIPANT)
    who = ParticipantId(call.author.subject)
    task = queries.task(call.state, body.task)
    if task is None:
        raise Refused(WithdrawalRule.TASK_UNKNOWN)
    current = current_round(task)
    if body.round != current:
        raise Refused(WithdrawalRule.ROUND_NOT_CURRENT, body.round, current)
    round_ = existing_round(call.state, body.task, body.round)
    if round_.status is not RoundStatus.OPEN or call.context.time >= round_.deadline:
        raise Refused(WithdrawalRule.ROUND_CLOSED, call.context.time, round_.deadline)
    earlier = queries.participation(call.state, body.task, body.round, who)
    if earlier.blob is None:
        raise Refused(WithdrawalRule.NOTHING_ACCEPTED)
    without = replace(earlier, blob=None, transaction=None, examples=0, withdrawn=True)
    writes = {
        state_keys.participation(body.task, body.round, who): encode(without),
        state_keys.round_(body.task, body.round): encode(replace(round_, accepted=round_.accepted - 1)),
    }
    return accept(writes=writes)
