"""From open to closed to attested: freezing a round's inputs, drawing its committee, widening the attempt.

Inputs are ordered by participant number; the inputs root is the RFC 6962 root over (participant, blob, weight).
"""

from msgspec.structs import replace

from contracts import due, queries
from contracts.committee import draw, smallest
from contracts.context import BlockContext
from contracts.due import DueAction
from contracts.outcomes import void
from contracts.rounds import existing_task, put_round
from contracts.weights import weights
from ledger import merkle, state_keys
from ledger.encoding import encode
from ledger.entries import CommitteeDrawn, RoundClosed, SecondAttempt, SystemAction, VoidReason
from ledger.hashing import Digest
from ledger.records import RoundRecord, RoundStatus
from ledger.state import Overlay
from ledger.tasks import TaskSpec


def close(context: BlockContext, state: Overlay, record: RoundRecord) -> list[SystemAction]:
    """Freeze the inputs of an open round; void it at once if they are fewer than max(updates_min, 2b+1)."""
    assert record.status is RoundStatus.OPEN
    spec = existing_task(state, record.task).spec
    count, root = _freeze_inputs(state, record, spec)
    assert count == record.accepted
    closed = replace(
        record,
        status=RoundStatus.CLOSED,
        closed_height=context.height,
        inputs_root=root,
        era=context.era,
    )
    put_round(state, closed)
    action = RoundClosed(task=record.task, round=record.round, inputs=count, inputs_root=root)
    if count < max(spec.updates_min, 2 * spec.faulty_max + 1):
        return [action, *void(context, state, closed, VoidReason.TOO_FEW_UPDATES)]
    due.put(state, DueAction.DRAW, record.task, record.round, when=context.time)
    return [action]


def draw_committee(context: BlockContext, state: Overlay, record: RoundRecord) -> SystemAction:
    """Name the validators that are to aggregate, and begin their time.

    At least 2f+1 of the set in force, should it have grown since the task was registered.
    """
    assert record.status is RoundStatus.CLOSED
    assert record.attempt == 0
    spec = existing_task(state, record.task).spec
    members = draw(
        context.validators.ids,
        size=max(spec.committee_size, smallest(context.validators)),
        digest=context.parent,
        task=record.task,
        round_number=record.round,
    )
    deadline = context.after(spec.attempt_ms)
    put_round(state, replace(record, committee=members, attempt=1, attempt_deadline=deadline))
    due.put(state, DueAction.SECOND_ATTEMPT, record.task, record.round, when=deadline)
    return CommitteeDrawn(task=record.task, round=record.round, members=members)


def begin_second_attempt(context: BlockContext, state: Overlay, record: RoundRecord) -> SystemAction:
    """Let every validator attest for as long again."""
    assert record.status is RoundStatus.CLOSED
    assert record.attempt == 1
    spec = existing_task(state, record.task).spec
    deadline = context.after(spec.attempt_ms)
    put_round(state, replace(record, attempt=2, attempt_deadline=deadline))
    due.put(state, DueAction.VOID, record.task, record.round, when=deadline)
    return SecondAttempt(task=record.task, round=record.round)


def _freeze_inputs(state: Overlay, record: RoundRecord, spec: TaskSpec) -> tuple[int, Digest]:
    """Fix the weight of each accepted update; return their number and the inputs root."""
    registered = {invitation.participant: invitation.examples_max for invitation in record.invited}
    known = queries.participations(state, record.task, record.round)
    accepted = [(who, item, item.blob) for who, item in known.items() if item.blob is not None]
    examples = [(item.examples, registered[who]) for who, item, _ in accepted]
    counts = weights(spec.weights, examples, faulty_max=spec.faulty_max)
    leaves = []
    for (who, item, blob), weight in zip(accepted, counts, strict=True):
        key = state_keys.participation(record.task, record.round, who)
        state.put(key, encode(replace(item, weight=weight)))
        leaves.append(encode((who, blob, weight)))
    return len(leaves), merkle.root(leaves)
