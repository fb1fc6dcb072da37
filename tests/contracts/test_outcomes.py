"""Deciding, halting, and fates."""

import pytest
from msgspec.structs import replace

from contracts import due, queries
from ledger.blobs import Fate, FateRecord
from ledger.entries import Accepted, RoundDecided, RoundOpened, TaskHalted
from ledger.quantities import ModelVersion, ParticipantId, RoundNumber
from ledger.records import GlobalModelRecord, RoundStatus, TaskStatus
from ledger.tasks import rule_digest
from ledger.transactions import RegisterTask
from tests.contracts.driver import actions, refused, task_actions, verdicts
from tests.contracts.training import MODEL, TASK, Training, task_spec

SPEC = task_spec()
ONE = RoundNumber(1)


def attested(*, validators: int = 4, committee_size: int = 3) -> Training:
    """Return a chain whose first round awaits attestations."""
    chain = Training(replace(SPEC, committee_size=committee_size), validators=validators)
    chain.close()
    chain.draw()
    return chain


def second_attempt() -> Training:
    chain = attested()
    chain.block(time=chain.round().attempt_deadline)
    return chain


def test_two_equal_attestations_of_three_decide() -> None:
    chain = attested()
    outcome = chain.outcome()
    first, second, _ = chain.round().committee
    assert actions(chain.attest_together([(first, outcome)])) == []
    decided, opened = actions(chain.attest_together([(second, outcome)]))
    assert isinstance(decided, RoundDecided)
    assert (decided.round, decided.version, decided.model) == (1, 1, outcome.output)
    assert isinstance(opened, RoundOpened)
    round_ = chain.round(1)
    assert (round_.status, round_.decided_height, round_.model) == (RoundStatus.DECIDED, chain.height, outcome.output)
    assert (chain.task().version, chain.task().model) == (1, outcome.output)


def test_the_global_model_names_everything_it_was_made_from() -> None:
    chain = attested()
    outcome = chain.outcome()
    members = chain.round().committee[:2]
    chain.attest_together((member, outcome) for member in members)
    assert queries.model(chain.state, TASK, ModelVersion(1)) == GlobalModelRecord(
        task=TASK,
        version=ModelVersion(1),
        round=ONE,
        height=chain.height,
        base=MODEL,
        model=outcome.output,
        view=outcome.view,
        server_state=outcome.server_state,
        report=outcome.report,
        inputs_root=outcome.inputs_root,
        rule=rule_digest(chain.task().spec),
        attesters=tuple(sorted(members)),
    )


def test_all_equal_attestations_of_the_deciding_block_are_named() -> None:
    chain = attested()
    outcome = chain.outcome()
    chain.attest_together((member, outcome) for member in chain.round().committee)
    model = queries.model(chain.state, TASK, ModelVersion(1))
    assert model is not None
    assert model.attesters == tuple(sorted(chain.round(1).committee))


def test_a_weak_quorum_of_the_set_decides_not_of_the_committee() -> None:
    chain = attested(validators=7, committee_size=5)
    outcome = chain.outcome()
    members = chain.round().committee
    assert actions(chain.attest_together((member, outcome) for member in members[:2])) == []
    assert isinstance(actions(chain.attest_together([(members[2], outcome)]))[0], RoundDecided)


@pytest.mark.parametrize("field", ["output", "report"])
def test_attestations_of_different_outcomes_do_not_add_up(field: str) -> None:
    chain = attested()
    one, other = chain.outcome("one"), chain.outcome("other")
    changes = {"report": other.report} if field == "report" else {"output": other.output, "view": other.view}
    members = chain.round().committee
    mixed = replace(one, **changes)
    executed = chain.attest_together([(members[0], one), (members[1], mixed)])
    assert verdicts(executed) == [Accepted(), Accepted()]
    assert actions(executed) == []
    assert isinstance(actions(chain.attest_together([(members[2], mixed)]))[0], RoundDecided)


def test_an_attestation_of_the_first_attempt_counts_in_the_second() -> None:
    chain = attested()
    outcome = chain.outcome()
    chain.attest(chain.round().committee[0], outcome)
    chain.block(time=chain.round().attempt_deadline)
    (left,) = set(chain.members.services) - set(chain.round().committee)
    assert isinstance(actions(chain.attest_together([(left, outcome)]))[0], RoundDecided)


def test_a_decided_round_is_never_void() -> None:
    chain = attested()
    deadline = chain.round().attempt_deadline
    outcome = chain.outcome()
    chain.attest_together((member, outcome) for member in chain.round().committee[:2])
    assert actions(chain.block(time=deadline)) == []
    assert chain.round(1).status is RoundStatus.DECIDED


def test_an_attestation_after_the_decision_is_recorded_and_decides_nothing() -> None:
    chain = attested()
    outcome = chain.outcome()
    first, second, third = chain.round().committee
    chain.attest_together([(first, outcome), (second, outcome)])
    executed = chain.attest_together([(third, outcome)])
    assert verdicts(executed) == [Accepted()]
    assert actions(executed) == []
    assert len(queries.attestations(chain.state, TASK, ONE)) == 3
    assert chain.task().version == 1


def test_two_outcomes_with_f_plus_1_in_one_block_halt_the_task() -> None:
    chain = second_attempt()
    one, other = chain.outcome("one"), chain.outcome("other")
    executed = chain.attest_together([(0, one), (1, one), (2, other), (3, other)])
    assert actions(executed) == [TaskHalted(task=TASK, round=ONE)]
    task = chain.task()
    assert (task.status, task.version, task.model) == (TaskStatus.HALTED, 0, MODEL)
    assert chain.round().status is RoundStatus.CLOSED
    assert list(due.marks(chain.state)) == []
    assert queries.tasks_open(chain.state) == 0


def test_a_second_outcome_with_f_plus_1_after_the_decision_halts_the_task() -> None:
    chain = second_attempt()
    one, other = chain.outcome("one"), chain.outcome("other")
    chain.attest_together([(0, one), (1, one)])
    assert actions(chain.attest_together([(2, other)])) == []
    assert actions(chain.attest_together([(3, other)])) == [TaskHalted(task=TASK, round=ONE)]
    assert chain.task().status is TaskStatus.HALTED
    assert chain.round(1).status is RoundStatus.DECIDED
    assert chain.round(2).status is RoundStatus.OPEN
    assert list(due.marks(chain.state)) == []
    assert actions(chain.block(time=chain.round(2).deadline)) == []


def test_a_halted_task_takes_nothing_more() -> None:
    chain = second_attempt()
    one, other = chain.outcome("one"), chain.outcome("other")
    chain.attest_together([(0, one), (1, one), (2, other)])
    late = chain.recorded_update(5)
    chain.attest_together([(3, other)])
    assert chain.submit(5, late) == refused("U3", 2, 0)
    assert chain.withdraw(1) == refused("W3", 2, 0)
    assert chain.attest(0, one) == refused("A3", 1, 2)


def test_halting_one_task_leaves_the_others_running() -> None:
    chain = second_attempt()
    chain.start(replace(SPEC, name="lung"))
    one, other = chain.outcome("one"), chain.outcome("other")
    chain.attest_together([(0, one), (1, one), (2, other), (3, other)])
    assert [mark.task for _, mark in due.marks(chain.state)] == ["lung"]
    assert queries.tasks_open(chain.state) == 1


def test_a_finished_task_is_halted_too_if_its_last_model_is_disputed() -> None:
    chain = Training(replace(SPEC, rounds_max=1))
    chain.close()
    chain.draw()
    chain.block(time=chain.round().attempt_deadline)
    one, other = chain.outcome("one"), chain.outcome("other")
    chain.attest_together([(0, one), (1, one)])
    assert chain.task().status is TaskStatus.FINISHED
    assert actions(chain.attest_together([(2, other), (3, other)])) == [TaskHalted(task=TASK, round=ONE)]
    assert chain.task().status is TaskStatus.HALTED
    assert queries.tasks_open(chain.state) == 0


def test_a_halted_task_does_not_close_its_round_in_the_same_block() -> None:
    chain = second_attempt()
    one, other = chain.outcome("one"), chain.outcome("other")
    chain.attest_together([(0, one), (1, one), (2, other)])
    chain.send_all([1, 2, 3, 4])
    update = chain.sign(chain.sites[ParticipantId(5)], chain.recorded_update(5))
    disputing = chain.sign(chain.members.services[max(chain.members.services)], other)
    executed = chain.block(update, disputing)
    assert verdicts(executed) == [Accepted(), Accepted()]
    assert actions(executed) == [TaskHalted(task=TASK, round=ONE)]


def test_a_task_halted_over_one_round_decides_no_other_in_the_same_block() -> None:
    chain = second_attempt()
    one, other = chain.outcome("one"), chain.outcome("other")
    chain.attest_together([(0, one), (1, one), (2, other)])
    chain.close()
    members = chain.draw()
    second = chain.outcome()
    executed = chain.attest_together([(3, other), *((member, second) for member in members)])
    assert verdicts(executed) == [Accepted()] * 4
    assert actions(executed) == [TaskHalted(task=TASK, round=ONE)]
    assert chain.task().version == 1


def test_every_kind_of_fate() -> None:
    chain = Training(task_spec(9), trainers=5)
    chain.send_all([1, 2, 3, 4, 5])
    chain.withdraw(5)
    chain.submit(6, chain.update(6))
    late = chain.recorded_update(7)
    chain.block(time=chain.round().deadline)
    chain.draw()
    chain.submit(7, late)
    chain.submit(8, chain.update(8))
    outcome = chain.outcome()
    decided, _ = actions(chain.attest_together((member, outcome) for member in chain.round().committee))
    expected = [
        Fate.CUT,
        Fate.USED,
        Fate.USED,
        Fate.USED,
        Fate.WITHDRAWN,
        Fate.REJECTED,
        Fate.LATE,
        Fate.LATE,
        Fate.ABSENT,
    ]
    assert isinstance(decided, RoundDecided)
    assert decided.fates == tuple(
        FateRecord(participant=ParticipantId(who), fate=fate) for who, fate in enumerate(expected, start=1)
    )
    assert [chain.participation(who, 1).fate for who in range(1, 10)] == expected


def test_follow_ups_run_in_a_fixed_order_whatever_the_order_of_transactions() -> None:
    chain = attested()
    outcome = chain.outcome()
    members = chain.round().committee[:2]
    register = chain.sign(chain.operator, RegisterTask(task=replace(SPEC, name="a-task")))
    executed = chain.block(register, *(chain.sign(chain.members.services[member], outcome) for member in members))
    assert task_actions(executed) == [
        (RoundDecided, TASK),
        (RoundOpened, TASK),
        (RoundOpened, "a-task"),
    ]
