"""RegisterTask: open a learning task, once it is certain that its rounds can be carried out as agreed.

Whatever the rule, the integers or the committee could not carry is refused here and not in a round. The first round is
opened at the end of the same block, with the initial model (version 0) as its base.
"""

from enum import StrEnum
from itertools import pairwise
from typing import assert_never

from contracts import queries
from contracts.committee import smallest
from contracts.context import Call
from contracts.integer_width import INTEGER_BITS_MAX, TOTAL_WEIGHT_MAX, bits
from contracts.verdicts import FollowUp, FollowUpKind, Judgement, Refused, accept
from ledger import state_keys
from ledger.blobs import LayoutFacts, ModelFacts
from ledger.encoding import encode
from ledger.hashing import ZERO_DIGEST
from ledger.quantities import ModelVersion, RoundNumber
from ledger.records import GlobalModelRecord, KeyRole, TaskRecord, TaskStatus
from ledger.tasks import PRIVACY_PLAIN, CappedExamples, EqualWeights, Invitation, Mean, TaskSpec, TrimmedMean
from ledger.transactions import RegisterTask

FIRST_ROUND = RoundNumber(1)


class TaskRule(StrEnum):
    """Why a registration is refused."""

    AUTHOR_NOT_OPERATOR = "T1"
    """The author is no operator key."""
    NAME_TAKEN = "T2"
    """There is or was a task of this name: (height of its registration)."""
    TOO_MANY_TASKS = "T3"
    """No further task may run: (running, most)."""
    LAYOUT_NOT_RECORDED = "T4"
    """The layout is not recorded as one."""
    LAYOUT_WITHOUT_WEIGHTS = "T5"
    """The layout has nothing to train."""
    MODEL_NOT_RECORDED = "T6"
    """The initial model is not recorded as one."""
    MODEL_OF_OTHER_LAYOUT = "T7"
    """The initial model fits another layout."""
    PRIVACY_NOT_SUPPORTED = "T8"
    """This privacy mode is not built: (mode)."""
    INVITED_OUT_OF_BOUNDS = "T9"
    """Nobody is invited, or too many: (invited, most)."""
    INVITED_NOT_ASCENDING = "T10"
    """The invited are not sorted by number, each once: (the number before, the number that follows it)."""
    INVITED_UNKNOWN = "T11"
    """An invited participant is not enrolled: (number)."""
    ORGANISATION_INVITED_TWICE = "T12"
    """Two invited belong to one organisation, and b counts organisations: (number, number)."""
    UPDATES_MIN_OUT_OF_BOUNDS = "T13"
    """2b+1 <= updates_min <= invited does not hold: (2b+1, updates_min, invited)."""
    MEAN_TOLERATES_NONE = "T14"
    """The mean tolerates no faulty participant: (b)."""
    WEIGHTS_NOT_SUPPORTED = "T15"
    """The rule counts every update the same."""
    NORM_BOUND_ZERO = "T16"
    """The norm bound admits nothing but zero."""
    DEADLINE_OUT_OF_BOUNDS = "T17"
    """Time for a round: (milliseconds, most)."""
    ATTEMPT_OUT_OF_BOUNDS = "T18"
    """Time for an attempt: (milliseconds, most)."""
    ROUNDS_OUT_OF_BOUNDS = "T19"
    """Rounds: (asked for, most)."""
    COMMITTEE_OUT_OF_BOUNDS = "T20"
    """Members of the committee: (asked for, 2f+1, validators)."""
    INTEGERS_TOO_WIDE = "T21"
    """Aggregation would need wider integers: (bits, most)."""
    EXAMPLES_OUT_OF_BOUNDS = "T22"
    """Where examples weigh, each registered number is at least 1 and they add up to less than 2^32: (least, total)."""


def judge(call: Call, body: RegisterTask) -> Judgement:
    """Write the task and version 0 of its model; accepted values: (1, the round that opens)."""
    state, spec = call.state, body.task
    if call.author.role is not KeyRole.OPERATOR:
        raise Refused(TaskRule.AUTHOR_NOT_OPERATOR)
    namesake = queries.task(state, spec.name)
    if namesake is not None:
        raise Refused(TaskRule.NAME_TAKEN, namesake.registered)
    running, most = queries.tasks_open(state), call.context.parameters.tasks_open_max
    if running >= most:
        raise Refused(TaskRule.TOO_MANY_TASKS, running, most)
    layout, model = _check_blobs(call, spec)
    if spec.privacy != PRIVACY_PLAIN:
        raise Refused(TaskRule.PRIVACY_NOT_SUPPORTED, spec.privacy)
    _check_invited(call, spec.invited)
    _check_rule(spec)
    _check_timing(call, spec)
    _check_arithmetic(spec, layout)
    writes = {
        state_keys.TASKS_OPEN: encode(running + 1),
        state_keys.task(spec.name): encode(_new_record(call, spec)),
        state_keys.model(spec.name, ModelVersion(0)): encode(_initial_model(call, spec, model)),
    }
    opening = FollowUp(FollowUpKind.OPEN, spec.name, FIRST_ROUND)
    return accept(FIRST_ROUND, writes=writes, follow_ups=(opening,))


def _check_blobs(call: Call, spec: TaskSpec) -> tuple[LayoutFacts, ModelFacts]:
    layout = queries.blob_facts(call.state, spec.layout, LayoutFacts)
    if layout is None:
        raise Refused(TaskRule.LAYOUT_NOT_RECORDED)
    if layout.weight_elements == 0:
        raise Refused(TaskRule.LAYOUT_WITHOUT_WEIGHTS)
    model = queries.blob_facts(call.state, spec.initial_model, ModelFacts)
    if model is None:
        raise Refused(TaskRule.MODEL_NOT_RECORDED)
    if model.layout != spec.layout:
        raise Refused(TaskRule.MODEL_OF_OTHER_LAYOUT)
    return layout, model


def _check_invited(call: Call, invited: tuple[Invitation, ...]) -> None:
    most = call.context.parameters.invited_max
    if not 1 <= len(invited) <= most:
        raise Refused(TaskRule.INVITED_OUT_OF_BOUNDS, len(invited), most)
    numbers = [invitation.participant for invitation in invited]
    for before, number in pairwise(numbers):
        if number <= before:
            raise Refused(TaskRule.INVITED_NOT_ASCENDING, before, number)
    by_organisation: dict[str, int] = {}
    for number in numbers:
        participant = queries.participant(call.state, number)
        if participant is None:
            raise Refused(TaskRule.INVITED_UNKNOWN, number)
        other = by_organisation.setdefault(participant.organisation, number)
        if other != number:
            raise Refused(TaskRule.ORGANISATION_INVITED_TWICE, other, number)


def _check_rule(spec: TaskSpec) -> None:
    least = 2 * spec.faulty_max + 1
    if not least <= spec.updates_min <= len(spec.invited):
        raise Refused(TaskRule.UPDATES_MIN_OUT_OF_BOUNDS, least, spec.updates_min, len(spec.invited))
    match spec.rule:
        case Mean():
            if spec.faulty_max != 0:
                raise Refused(TaskRule.MEAN_TOLERATES_NONE, spec.faulty_max)
        case TrimmedMean():
            if not isinstance(spec.weights, EqualWeights):
                raise Refused(TaskRule.WEIGHTS_NOT_SUPPORTED)
        case _:
            assert_never(spec.rule)
    if spec.norm_max == 0:
        raise Refused(TaskRule.NORM_BOUND_ZERO)


def _check_timing(call: Call, spec: TaskSpec) -> None:
    limits, validators = call.context.parameters, call.context.validators
    if not 1 <= spec.deadline_ms <= limits.round_deadline_ms_max:
        raise Refused(TaskRule.DEADLINE_OUT_OF_BOUNDS, spec.deadline_ms, limits.round_deadline_ms_max)
    if not 1 <= spec.attempt_ms <= limits.round_deadline_ms_max:
        raise Refused(TaskRule.ATTEMPT_OUT_OF_BOUNDS, spec.attempt_ms, limits.round_deadline_ms_max)
    if not 1 <= spec.rounds_max <= limits.rounds_max:
        raise Refused(TaskRule.ROUNDS_OUT_OF_BOUNDS, spec.rounds_max, limits.rounds_max)
    least = smallest(validators)
    if not least <= spec.committee_size <= validators.size:
        raise Refused(TaskRule.COMMITTEE_OUT_OF_BOUNDS, spec.committee_size, least, validators.size)


def _check_arithmetic(spec: TaskSpec, layout: LayoutFacts) -> None:
    needed = bits(spec.weights, inputs=len(spec.invited), exponent_min=layout.exponent_min)
    if needed > INTEGER_BITS_MAX:
        raise Refused(TaskRule.INTEGERS_TOO_WIDE, needed, INTEGER_BITS_MAX)
    if isinstance(spec.weights, CappedExamples):
        examples = [invitation.examples_max for invitation in spec.invited]
        if min(examples) == 0 or sum(examples) > TOTAL_WEIGHT_MAX:
            raise Refused(TaskRule.EXAMPLES_OUT_OF_BOUNDS, min(examples), sum(examples))


def _new_record(call: Call, spec: TaskSpec) -> TaskRecord:
    return TaskRecord(
        spec=spec,
        registered=call.context.height,
        status=TaskStatus.RUNNING,
        round=RoundNumber(0),
        version=ModelVersion(0),
        model=spec.initial_model,
    )


def _initial_model(call: Call, spec: TaskSpec, facts: ModelFacts) -> GlobalModelRecord:
    return GlobalModelRecord(
        task=spec.name,
        version=ModelVersion(0),
        round=RoundNumber(0),
        height=call.context.height,
        base=ZERO_DIGEST,
        model=spec.initial_model,
        view=facts.view,
        server_state=ZERO_DIGEST,
        report=ZERO_DIGEST,
        inputs_root=ZERO_DIGEST,
        rule=ZERO_DIGEST,
        attesters=(),
    )
