"""SubmitUpdate: a participant's model update for the current round.

One update per participant and round is accepted, the first in chain order. A refused one may be tried again while the
round is open, `update_attempts_max` times; one that comes after the close is marked late. That training started from
the base is a claim that nobody can check.
"""

from enum import StrEnum
from math import isqrt

from msgspec.structs import replace

from contracts import queries
from contracts.context import Call
from contracts.rounds import current_round, existing_round
from contracts.verdicts import FollowUp, FollowUpKind, Judgement, Refused, accept
from ledger import state_keys
from ledger.blobs import UpdateFacts
from ledger.encoding import decode_integer, encode
from ledger.quantities import ParticipantId
from ledger.records import KeyRole, ParticipationRecord, RoundRecord, RoundStatus
from ledger.tasks import TaskSpec
from ledger.transactions import SubmitUpdate

_ATTEMPTS_MAX = 2**16 - 1
"""What a participation record can count."""


class UpdateRule(StrEnum):
    """Why an update is refused."""

    AUTHOR_NOT_PARTICIPANT = "U1"
    """The author is no participant's key."""
    TASK_UNKNOWN = "U2"
    """There is no task of this name."""
    ROUND_NOT_CURRENT = "U3"
    """Another round is the current one: (named, current; 0 if the task has none)."""
    NOT_INVITED = "U4"
    """The participant is not invited to the round: (its number)."""
    ROUND_CLOSED = "U5"
    """It is late: (time of the block, deadline)."""
    ATTEMPTS_USED_UP = "U6"
    """Too many of its updates for this round have been refused: (refused, most)."""
    ALREADY_ACCEPTED = "U7"
    """It has an accepted update in this round."""
    OTHER_BASE = "U8"
    """The update names another base than the round's."""
    BLOB_NOT_RECORDED = "U9"
    """No quorum of validators has stated that it holds the blob."""
    NOT_AN_UPDATE = "U10"
    """The blob is no update."""
    OTHER_LAYOUT = "U11"
    """The update fits another layout than the task's."""
    NORM_OVER_BOUND = "U12"
    """Its l2 norm over the weights is too large: (norm, rounded up, and the bound; in units of 2^-30)."""
    NO_EXAMPLES = "U13"
    """It was trained on nothing."""


def judge(call: Call, body: SubmitUpdate) -> Judgement:
    """Accept the update as its participant's in this round; a refused one counts as an attempt, or as late."""
    if call.author.role is not KeyRole.PARTICIPANT:
        raise Refused(UpdateRule.AUTHOR_NOT_PARTICIPANT)
    who = ParticipantId(call.author.subject)
    task = queries.task(call.state, body.task)
    if task is None:
        raise Refused(UpdateRule.TASK_UNKNOWN)
    current = current_round(task)
    if body.round != current:
        raise Refused(UpdateRule.ROUND_NOT_CURRENT, body.round, current)
    round_ = existing_round(call.state, body.task, body.round)
    if all(invitation.participant != who for invitation in round_.invited):
        raise Refused(UpdateRule.NOT_INVITED, who)
    return _judge_invited(call, body, task.spec, round_, who)


def _judge_invited(
    call: Call, body: SubmitUpdate, spec: TaskSpec, round_: RoundRecord, who: ParticipantId
) -> Judgement:
    key = state_keys.participation(body.task, body.round, who)
    earlier = queries.participation(call.state, body.task, body.round, who)
    if round_.status is not RoundStatus.OPEN or call.context.time >= round_.deadline:
        refusal = Refused(UpdateRule.ROUND_CLOSED, call.context.time, round_.deadline)
        return refusal.judgement({key: encode(replace(earlier, late=True))} if earlier.blob is None else None)
    attempts_max = min(call.context.parameters.update_attempts_max, _ATTEMPTS_MAX)
    if earlier.attempts >= attempts_max:
        raise Refused(UpdateRule.ATTEMPTS_USED_UP, earlier.attempts, attempts_max)
    try:
        _check_update(call, body, spec, round_, earlier)
    except Refused as refusal:
        return refusal.judgement({key: encode(replace(earlier, attempts=earlier.attempts + 1))})
    accepted = replace(earlier, blob=body.blob, transaction=call.transaction, examples=body.examples, withdrawn=False)
    count = round_.accepted + 1
    writes = {
        key: encode(accepted),
        state_keys.round_(body.task, body.round): encode(replace(round_, accepted=count)),
    }
    complete = count == len(round_.invited)
    closing = (FollowUp(FollowUpKind.CLOSE, body.task, body.round),) if complete else ()
    return accept(writes=writes, follow_ups=closing)


def _check_update(
    call: Call, body: SubmitUpdate, spec: TaskSpec, round_: RoundRecord, earlier: ParticipationRecord
) -> None:
    if earlier.blob is not None:
        raise Refused(UpdateRule.ALREADY_ACCEPTED)
    if body.base != round_.base:
        raise Refused(UpdateRule.OTHER_BASE)
    blob = queries.blob(call.state, body.blob)
    if blob is None:
        raise Refused(UpdateRule.BLOB_NOT_RECORDED)
    if not isinstance(blob.facts, UpdateFacts):
        raise Refused(UpdateRule.NOT_AN_UPDATE)
    if blob.facts.layout != spec.layout:
        raise Refused(UpdateRule.OTHER_LAYOUT)
    norm_squared = decode_integer(blob.facts.norm_squared)
    if norm_squared > spec.norm_max**2:
        raise Refused(UpdateRule.NORM_OVER_BOUND, isqrt(norm_squared - 1) + 1, spec.norm_max)
    if body.examples == 0:
        raise Refused(UpdateRule.NO_EXAMPLES)
