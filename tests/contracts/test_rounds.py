"""The course of a round: opening, closing, drawing, second attempt, void, and the end of a task."""

import pytest
from msgspec.structs import replace

from contracts import due, queries
from contracts.committee import draw
from contracts.due import DueAction
from ledger import merkle, state_keys
from ledger.blobs import Fate
from ledger.encoding import encode
from ledger.entries import (
    Accepted,
    CommitteeDrawn,
    RoundClosed,
    RoundDecided,
    RoundOpened,
    RoundVoided,
    SecondAttempt,
    TaskFinished,
    VoidReason,
)
from ledger.parameters import ChainParameters
from ledger.quantities import U63_MAX, ParticipantId, RoundNumber, TimeMs
from ledger.records import RoundStatus, TaskStatus
from ledger.tasks import CappedExamples, Mean
from ledger.transactions import RegisterTask
from tests.contracts.driver import actions, due_now, next_due_time, refused, task_actions
from tests.contracts.training import ATTEMPT_MS, DEADLINE_MS, MODEL, TASK, Training, task_spec, update_facts

SPEC = task_spec()
ONE, TWO = RoundNumber(1), RoundNumber(2)


@pytest.fixture
def chain() -> Training:
    return Training(SPEC)


def marks(chain: Training) -> list[tuple[int, DueAction, str, int]]:
    return [(state_keys.due_time(key), mark.action, mark.task, mark.round) for key, mark in due.marks(chain.state)]


def test_an_open_round_waits_for_its_deadline(chain: Training) -> None:
    deadline = chain.round().deadline
    assert marks(chain) == [(deadline, DueAction.CLOSE, TASK, 1)]
    assert next_due_time(chain.state) == deadline
    assert not due_now(chain.state, TimeMs(deadline - 1))
    assert due_now(chain.state, deadline)


def test_nothing_is_due_without_a_task() -> None:
    chain = Training()
    assert next_due_time(chain.state) is None
    assert not due_now(chain.state, TimeMs(U63_MAX))


def test_a_round_stays_open_until_its_deadline(chain: Training) -> None:
    chain.send_all([1, 2, 3])
    assert actions(chain.block(time=chain.round().deadline - 1)) == []
    assert chain.round().status is RoundStatus.OPEN


def test_the_first_block_at_the_deadline_closes_the_round_and_freezes_its_inputs(chain: Training) -> None:
    chain.send_all([4, 2, 1])
    executed = chain.block(time=chain.round().deadline)
    updates = [(who, chain.participation(who).blob, 1) for who in (1, 2, 4)]
    root = merkle.root(encode(leaf) for leaf in updates)
    assert actions(executed) == [RoundClosed(task=TASK, round=ONE, inputs=3, inputs_root=root)]
    round_ = chain.round()
    assert (round_.status, round_.closed_height, round_.inputs_root) == (RoundStatus.CLOSED, chain.height, root)
    assert (round_.era, round_.committee, round_.attempt) == (0, (), 0)
    assert [chain.participation(who).weight for who in (1, 2, 3, 4, 5)] == [1, 1, 0, 1, 0]
    assert marks(chain) == [(chain.time, DueAction.DRAW, TASK, 1)]


def test_examples_weigh_where_the_task_says_so() -> None:
    invited = tuple(replace(one, examples_max=5 * one.participant) for one in SPEC.invited)
    chain = Training(replace(SPEC, rule=Mean(), faulty_max=0, weights=CappedExamples(), invited=invited))
    executed = chain.close([1, 2, 3])
    weights = [(1, 5), (2, 10), (3, 10)]
    root = merkle.root(encode((who, chain.participation(who).blob, weight)) for who, weight in weights)
    assert actions(executed) == [RoundClosed(task=TASK, round=ONE, inputs=3, inputs_root=root)]
    assert [chain.participation(who).weight for who, _ in weights] == [5, 10, 10]


def test_the_block_after_the_closing_one_draws_the_committee_from_its_digest(chain: Training) -> None:
    closing = chain.close()
    drawn = chain.block(after=0)
    members = draw(chain.members.services, size=3, digest=closing.block.digest, task=TASK, round_number=ONE)
    assert actions(drawn) == [CommitteeDrawn(task=TASK, round=ONE, members=members)]
    round_ = chain.round()
    assert (round_.committee, round_.attempt) == (members, 1)
    assert round_.attempt_deadline == chain.time + ATTEMPT_MS
    assert marks(chain) == [(chain.time + ATTEMPT_MS, DueAction.SECOND_ATTEMPT, TASK, 1)]


def test_a_closed_round_makes_the_next_block_due_at_once(chain: Training) -> None:
    chain.close()
    assert due_now(chain.state, chain.time)


def test_a_round_that_closes_early_is_drawn_and_not_closed_again(chain: Training) -> None:
    chain.send_all([1, 2, 3, 4, 5])
    assert marks(chain) == [(chain.time, DueAction.DRAW, TASK, 1)]
    assert [type(action) for action in actions(chain.block())] == [CommitteeDrawn]


def test_after_the_committees_time_every_validator_has_as_long_again(chain: Training) -> None:
    chain.close()
    chain.draw()
    first = chain.round().attempt_deadline
    assert first is not None
    assert actions(chain.block(time=first - 1)) == []
    assert actions(chain.block(time=first)) == [SecondAttempt(task=TASK, round=ONE)]
    round_ = chain.round()
    assert (round_.attempt, round_.attempt_deadline, round_.status) == (2, first + ATTEMPT_MS, RoundStatus.CLOSED)
    assert marks(chain) == [(first + ATTEMPT_MS, DueAction.VOID, TASK, 1)]


def test_after_the_second_attempt_the_round_is_void(chain: Training) -> None:
    chain.close([1, 2, 3])
    chain.draw()
    chain.block(time=chain.round().attempt_deadline)
    executed = chain.block(time=chain.round().attempt_deadline)
    voided, opened = actions(executed)
    assert isinstance(voided, RoundVoided)
    assert voided.reason is VoidReason.NOT_ATTESTED
    assert [item.fate for item in voided.fates] == [Fate.UNUSED] * 3 + [Fate.ABSENT] * 2
    assert opened == RoundOpened(task=TASK, round=TWO, base=MODEL)
    assert chain.round(1).status is RoundStatus.VOID
    assert marks(chain) == [(chain.time + DEADLINE_MS, DueAction.CLOSE, TASK, 2)]


def test_an_attestation_in_the_voiding_block_comes_too_late(chain: Training) -> None:
    chain.close()
    members = chain.draw()
    outcome = chain.outcome()
    assert chain.attest(members[0], outcome) == Accepted()
    chain.block(time=chain.round().attempt_deadline)
    service = chain.members.services[members[1]]
    assert chain.verdict(service, outcome, time=chain.round().attempt_deadline) == refused("A3", 1, 2)
    assert chain.round(1).status is RoundStatus.VOID


@pytest.mark.parametrize(("senders", "void"), [([], True), ([1, 2], True), ([1, 2, 3], False)])
def test_a_round_with_too_few_inputs_is_void_at_its_close(chain: Training, senders: list[int], *, void: bool) -> None:
    done = actions(chain.close(senders))
    assert isinstance(done[0], RoundClosed)
    assert [type(action) for action in done[1:]] == ([RoundVoided, RoundOpened] if void else [])


def test_updates_min_may_ask_for_more_than_the_rule_does() -> None:
    chain = Training(replace(SPEC, updates_min=5))
    closed, voided, opened = actions(chain.close([1, 2, 3, 4]))
    assert isinstance(closed, RoundClosed)
    assert isinstance(voided, RoundVoided)
    assert voided.reason is VoidReason.TOO_FEW_UPDATES
    assert opened == RoundOpened(task=TASK, round=TWO, base=MODEL)
    assert chain.participation(1, 1).weight == 1


def test_a_decision_opens_the_next_round_on_the_new_model(chain: Training) -> None:
    decided, opened = actions(chain.decide())
    assert isinstance(decided, RoundDecided)
    assert opened == RoundOpened(task=TASK, round=TWO, base=decided.model)
    assert (chain.round().base, chain.round().base_version) == (decided.model, 1)
    assert marks(chain) == [(chain.time + DEADLINE_MS, DueAction.CLOSE, TASK, 2)]


def test_the_task_finishes_after_its_last_round() -> None:
    chain = Training(replace(SPEC, rounds_max=2))
    chain.decide()
    assert isinstance(actions(chain.decide())[-1], TaskFinished)
    task = chain.task()
    assert (task.status, task.round, task.version) == (TaskStatus.FINISHED, 2, 2)
    assert marks(chain) == []
    assert queries.tasks_open(chain.state) == 0
    body = chain.update(1)
    assert chain.submit(1, body) == refused("U3", 2, 0)


def test_the_task_finishes_after_its_last_round_if_that_is_void() -> None:
    chain = Training(replace(SPEC, rounds_max=1))
    done = actions(chain.close([]))
    assert [type(action) for action in done] == [RoundClosed, RoundVoided, TaskFinished]
    assert chain.task().status is TaskStatus.FINISHED
    assert chain.task().model == MODEL


def test_a_finished_task_makes_room_for_another() -> None:
    chain = Training(replace(SPEC, rounds_max=1), parameters=ChainParameters(tasks_open_max=1))
    chain.close([])
    chain.start(replace(SPEC, name="lung"))
    assert queries.tasks_open(chain.state) == 1


def test_deadlines_never_pass_what_a_record_can_hold() -> None:
    chain = Training()
    chain.block(chain.sign(chain.operator, RegisterTask(task=SPEC)), time=U63_MAX - 1)
    assert chain.round().deadline == U63_MAX
    assert isinstance(actions(chain.block(time=U63_MAX))[0], RoundClosed)
    assert chain.round().deadline == U63_MAX


def test_what_is_due_is_carried_out_in_order_of_time_and_then_of_key() -> None:
    chain = Training(SPEC)
    names = ("b", "a-b", "a")
    chain.block(*(chain.sign(chain.operator, RegisterTask(task=replace(SPEC, name=name))) for name in names))
    done = actions(chain.block(time=chain.time + DEADLINE_MS))
    assert [action.task for action in done if isinstance(action, RoundClosed)] == [TASK, "a-b", "a", "b"]


def test_no_more_actions_than_a_block_may_carry_out_are_carried_out() -> None:
    chain = Training(parameters=ChainParameters(block_actions_max=2))
    for name in ("one", "two", "three"):
        chain.start(replace(SPEC, name=name, deadline_ms=DEADLINE_MS))
    late = chain.time + DEADLINE_MS
    closed = [action.task for action in actions(chain.block(time=late)) if isinstance(action, RoundClosed)]
    assert closed == ["one", "two"]
    assert due_now(chain.state, chain.time)
    closed = [action.task for action in actions(chain.block(after=0)) if isinstance(action, RoundClosed)]
    assert closed == ["three"]


def test_a_delayed_draw_uses_the_digest_of_the_block_before_it() -> None:
    chain = Training(SPEC, parameters=ChainParameters(block_actions_max=1))
    chain.start(replace(SPEC, name="another"))
    chain.send_all([1, 2, 3])
    chain.block(time=chain.time + DEADLINE_MS + 5_000)
    between = chain.block(after=0)
    assert task_actions(between)[0][1] == "another"
    (drawn,) = actions(chain.block(after=0))
    assert drawn == CommitteeDrawn(
        task=TASK,
        round=ONE,
        members=draw(chain.members.services, size=3, digest=between.block.digest, task=TASK, round_number=ONE),
    )


def test_a_registry_number_orders_inputs_not_the_order_of_arrival(chain: Training) -> None:
    for who in (3, 1, 2):
        chain.recorded_update(who, facts=update_facts())
        chain.submit(who, chain.update(who))
    by_number = [(who, chain.participation(who).blob, 1) for who in (1, 2, 3)]
    chain.block(time=chain.round().deadline)
    assert chain.round().inputs_root == merkle.root(encode(leaf) for leaf in by_number)
    assert list(queries.participations(chain.state, TASK, ONE)) == [ParticipantId(who) for who in (1, 2, 3)]
