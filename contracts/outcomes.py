"""How a round ends: decided by f+1 equal attestations, or void; and how a task is halted.

Whichever way, every invited participant gets exactly one fate, final from this block on, and the next round opens.
Only validators of the set that decides the block count, so that of f+1 attesters one is honest under that very set: an
attestation by one that has left since, or a threshold of an earlier and smaller set, would let f Byzantine validators
of one era and f of another decide together.

Attestations are equal when all their digests are: output, view, server state and report follow from the frozen inputs,
so two of them with f+1 attesters each mean that more than f validators are Byzantine.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from contracts import due, queries
from contracts.context import BlockContext
from contracts.rounds import count_ended_task, existing_round, existing_task, open_next, put_round, put_task
from ledger import state_keys
from ledger.blobs import Fate, FateRecord, ReportFacts
from ledger.encoding import encode
from ledger.entries import RoundDecided, RoundVoided, SystemAction, TaskHalted, VoidReason
from ledger.quantities import ModelVersion, ParticipantId, RoundNumber, ValidatorId
from ledger.records import GlobalModelRecord, ParticipationRecord, RoundRecord, RoundStatus, TaskRecord, TaskStatus
from ledger.state import Overlay, StateView
from ledger.transactions import Attest
from ledger.validators import ValidatorSet


def settle(context: BlockContext, state: Overlay, name: str, number: RoundNumber) -> list[SystemAction]:
    """Decide the round if one outcome has f+1 equal attestations; halt the task if two have."""
    task = existing_task(state, name)
    outcomes = _sufficient(state, name, number, context.validators)
    if not outcomes or task.status is TaskStatus.HALTED:
        return []
    if len(outcomes) > 1:
        return [_halt(state, task, number)]
    record = existing_round(state, name, number)
    if record.status is not RoundStatus.CLOSED:
        return []
    outcome, attesters = outcomes[0]
    return _decide(context, state, task, record, outcome, attesters)


def void(context: BlockContext, state: Overlay, record: RoundRecord, reason: VoidReason) -> list[SystemAction]:
    """End a closed round without a global model and open the next one on the same base."""
    assert record.status is RoundStatus.CLOSED
    put_round(state, replace(record, status=RoundStatus.VOID))
    fates = _settle_fates(state, record, {})
    voided = RoundVoided(task=record.task, round=record.round, reason=reason, fates=fates)
    return [voided, open_next(context, state, existing_task(state, record.task))]


def _sufficient(
    state: StateView, name: str, number: RoundNumber, validators: ValidatorSet
) -> list[tuple[Attest, tuple[ValidatorId, ...]]]:
    """Return the outcomes that f+1 of `validators` have attested, the one whose first attester is least first."""
    attesters: dict[Attest, list[ValidatorId]] = {}
    for validator, record in queries.attestations(state, name, number).items():
        if validator in validators:
            attesters.setdefault(record.attestation, []).append(validator)
    needed = validators.weak_quorum
    return [(outcome, tuple(members)) for outcome, members in attesters.items() if len(members) >= needed]


def _decide(
    context: BlockContext,
    state: Overlay,
    task: TaskRecord,
    record: RoundRecord,
    outcome: Attest,
    attesters: tuple[ValidatorId, ...],
) -> list[SystemAction]:
    """Write the global model that this block is the block of."""
    report = queries.blob_facts(state, outcome.report, ReportFacts)
    assert report is not None, "only attestations with a recorded report are accepted"
    version = ModelVersion(task.version + 1)
    model = GlobalModelRecord(
        task=record.task,
        version=version,
        round=record.round,
        height=context.height,
        base=record.base,
        model=outcome.output,
        view=outcome.view,
        server_state=outcome.server_state,
        report=outcome.report,
        inputs_root=outcome.inputs_root,
        rule=outcome.rule,
        attesters=attesters,
    )
    state.put(state_keys.model(record.task, version), encode(model))
    assert record.attempt_deadline is not None
    state.delete(state_keys.due(record.attempt_deadline, record.task, record.round))
    put_round(
        state,
        replace(record, status=RoundStatus.DECIDED, decided_height=context.height, model=outcome.output),
    )
    fates = _settle_fates(state, record, {item.participant: item.fate for item in report.fates})
    decided = RoundDecided(task=record.task, round=record.round, version=version, model=outcome.output, fates=fates)
    promoted = replace(task, version=version, model=outcome.output)
    return [decided, open_next(context, state, promoted)]


def _halt(state: Overlay, task: TaskRecord, number: RoundNumber) -> SystemAction:
    """Stop a task for good; a round that is still live stays as it is, without an outcome."""
    name = task.spec.name
    if task.status is TaskStatus.RUNNING:
        due.clear(state, name)
        count_ended_task(state)
    put_task(state, replace(task, status=TaskStatus.HALTED))
    return TaskHalted(task=name, round=number)


def _settle_fates(
    state: Overlay, record: RoundRecord, of_accepted: Mapping[ParticipantId, Fate]
) -> tuple[FateRecord, ...]:
    """Give every invited participant its fate; accepted inputs without one in `of_accepted` are unused."""
    known = queries.participations(state, record.task, record.round)
    fates = []
    for invitation in record.invited:
        who = invitation.participant
        participation = known.get(who, ParticipationRecord())
        fate = of_accepted.get(who, Fate.UNUSED) if participation.blob is not None else _fate_without(participation)
        state.put(state_keys.participation(record.task, record.round, who), encode(replace(participation, fate=fate)))
        fates.append(FateRecord(participant=who, fate=fate))
    return tuple(fates)


def _fate_without(participation: ParticipationRecord) -> Fate:
    """Return the fate of a participant that has no accepted update."""
    if participation.withdrawn:
        return Fate.WITHDRAWN
    if participation.late:
        return Fate.LATE
    if participation.attempts > 0:
        return Fate.REJECTED
    return Fate.ABSENT
