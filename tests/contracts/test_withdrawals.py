"""W1 to W5: each rule fires with its integers, its near miss is accepted; withdrawing and sending again."""

import pytest
from msgspec.structs import replace

from contracts import queries
from ledger.blobs import Fate
from ledger.entries import Accepted, RoundClosed
from ledger.parameters import ChainParameters
from ledger.quantities import ParticipantId, RoundNumber
from ledger.records import ParticipationRecord, RoundStatus
from ledger.transactions import Withdraw
from tests.contracts.driver import actions, digest, refused, verdicts
from tests.contracts.training import TASK, Training, task_spec, update_facts

BODY = Withdraw(task=TASK, round=RoundNumber(1))


@pytest.fixture
def chain() -> Training:
    chain = Training(task_spec())
    chain.send_all([1, 2, 3])
    return chain


def test_a_withdrawn_update_is_gone(chain: Training) -> None:
    assert chain.withdraw(2) == Accepted()
    assert chain.participation(2) == ParticipationRecord(withdrawn=True)
    assert chain.round().accepted == 2


def test_w1_only_participants_withdraw(chain: Training) -> None:
    for key in (chain.operator, *chain.members.services.values()):
        assert chain.verdict(key, BODY) == refused("W1")


def test_w2_the_task_exists(chain: Training) -> None:
    body = Withdraw(task="lung", round=RoundNumber(1))
    assert chain.verdict(chain.sites[ParticipantId(1)], body) == refused("W2")


@pytest.mark.parametrize("named", [0, 2])
def test_w3_the_round_is_the_current_one(chain: Training, named: int) -> None:
    body = Withdraw(task=TASK, round=RoundNumber(named))
    assert chain.verdict(chain.sites[ParticipantId(1)], body) == refused("W3", named, 1)


def test_w4_the_inputs_are_frozen_at_the_deadline(chain: Training) -> None:
    deadline = chain.round().deadline
    executed = chain.block(chain.sign(chain.sites[ParticipantId(1)], BODY), time=deadline)
    assert verdicts(executed) == [refused("W4", deadline, deadline)]
    assert chain.participation(1).blob is not None


def test_w4_the_inputs_are_frozen_once_everybody_has_sent(chain: Training) -> None:
    chain.send_all([4, 5])
    assert chain.round().status is RoundStatus.CLOSED
    assert chain.withdraw(1) == refused("W4", chain.time, chain.round().deadline)


def test_w4_just_before_the_deadline_an_update_may_be_withdrawn(chain: Training) -> None:
    body = chain.sign(chain.sites[ParticipantId(1)], BODY)
    assert verdicts(chain.block(body, time=chain.round().deadline - 1)) == [Accepted()]


def test_w4_the_inputs_are_frozen_even_if_the_closure_has_to_wait() -> None:
    chain = Training(task_spec(), parameters=ChainParameters(block_actions_max=1))
    chain.start(replace(task_spec(), name="another"))
    chain.recorded_update(1)
    site = chain.sites[ParticipantId(1)]
    assert chain.verdict(site, replace(chain.update(1), task="another")) == Accepted()
    waiting = queries.round_record(chain.state, "another", RoundNumber(1))
    assert waiting is not None
    executed = chain.block(chain.sign(site, replace(BODY, task="another")), time=waiting.deadline)
    assert [action.task for action in actions(executed) if isinstance(action, RoundClosed)] == [TASK]
    assert verdicts(executed) == [refused("W4", waiting.deadline, waiting.deadline)]


def test_w5_there_is_something_to_withdraw(chain: Training) -> None:
    assert chain.withdraw(4) == refused("W5")
    assert chain.withdraw(1) == Accepted()
    assert chain.withdraw(1) == refused("W5")


def test_a_refused_withdrawal_leaves_nothing(chain: Training) -> None:
    chain.withdraw(4)
    assert chain.participation(4) == ParticipationRecord()


def test_after_withdrawing_another_update_may_be_sent(chain: Training) -> None:
    chain.withdraw(1)
    better = chain.update(1, name="better")
    chain.block(chain.record(better.blob, update_facts()))
    assert chain.submit(1, better) == Accepted()
    record = chain.participation(1)
    assert (record.blob, record.withdrawn) == (digest("better"), False)
    assert chain.round().accepted == 3


def test_who_withdrew_and_came_back_late_has_withdrawn(chain: Training) -> None:
    chain.send_all([4])
    chain.withdraw(1)
    chain.block(time=chain.round().deadline)
    assert chain.submit(1, chain.update(1)) == refused("U5", chain.time, chain.round().deadline)
    chain.outcome()
    members = chain.round().committee
    outcome = chain.outcome()
    chain.attest_together((member, outcome) for member in members[:2])
    assert chain.participation(1, 1).fate is Fate.WITHDRAWN


def test_a_withdrawal_in_the_completing_block_keeps_the_round_open(chain: Training) -> None:
    for who in (4, 5):
        chain.recorded_update(who)
    raws = [chain.sign(chain.sites[ParticipantId(who)], chain.update(who)) for who in (4, 5)]
    executed = chain.block(*raws, chain.sign(chain.sites[ParticipantId(1)], BODY))
    assert verdicts(executed) == [Accepted()] * 3
    assert actions(executed) == []
    assert chain.round().status is RoundStatus.OPEN


def test_sending_again_in_the_completing_block_closes_the_round_once(chain: Training) -> None:
    for who in (4, 5):
        chain.recorded_update(who)
    again = chain.update(1, name="again")
    chain.block(chain.record(again.blob, update_facts()))
    raws = [chain.sign(chain.sites[ParticipantId(who)], chain.update(who)) for who in (4, 5)]
    site = chain.sites[ParticipantId(1)]
    executed = chain.block(*raws, chain.sign(site, BODY), chain.sign(site, again))
    assert verdicts(executed) == [Accepted()] * 4
    assert [type(action) for action in actions(executed)] == [RoundClosed]
