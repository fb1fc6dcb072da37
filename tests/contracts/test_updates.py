"""U1 to U13: each rule fires with its integers, its near miss is accepted; and what a refusal leaves behind."""

import pytest
from msgspec.structs import replace

from contracts import queries
from ledger import state_keys
from ledger.blobs import BlobFacts
from ledger.encoding import encode
from ledger.entries import Accepted, Rejected, RoundClosed
from ledger.parameters import ChainParameters
from ledger.quantities import Height, ParticipantId, RoundNumber
from ledger.records import ParticipationRecord
from ledger.tasks import Invitation
from ledger.transactions import RegisterTask, SubmitUpdate
from tests.contracts.driver import actions, digest, refused, task_actions, verdicts
from tests.contracts.training import (
    DEADLINE_MS,
    LAYOUT,
    LAYOUT_FACTS,
    MODEL,
    NORM_MAX,
    OTHER_LAYOUT,
    TASK,
    Training,
    model_facts,
    task_spec,
    update_facts,
)

SPEC = task_spec()
WHO = ParticipantId(1)


@pytest.fixture
def chain() -> Training:
    return Training(SPEC)


def test_an_accepted_update_is_its_participants(chain: Training) -> None:
    body = chain.recorded_update(2)
    raw = chain.sign(chain.sites[ParticipantId(2)], body)
    (entry,) = chain.block(raw).entries
    assert entry.receipt.verdict == Accepted()
    record = chain.participation(2)
    assert (record.blob, record.examples, record.attempts, record.fate) == (body.blob, 10, 0, None)
    assert record.transaction is not None
    assert chain.state.get(state_keys.used(Height(chain.height + 99), record.transaction)) is not None
    assert chain.round().accepted == 1


def test_a_blob_may_be_recorded_earlier_in_the_same_block(chain: Training) -> None:
    chain.send_all([1, 2])
    assert chain.round().accepted == 2


def test_u1_only_participants_send(chain: Training) -> None:
    body = chain.recorded_update(1)
    for key in (chain.operator, *chain.members.services.values()):
        assert chain.verdict(key, body) == refused("U1")


def test_u2_the_task_exists(chain: Training) -> None:
    body = replace(chain.recorded_update(1), task="lung")
    assert chain.submit(1, body) == refused("U2")


@pytest.mark.parametrize("named", [0, 2, 2**63 - 1])
def test_u3_the_round_is_the_current_one(chain: Training, named: int) -> None:
    body = chain.recorded_update(1)
    assert chain.submit(1, replace(body, round=RoundNumber(named))) == refused("U3", named, 1)
    assert chain.participation(1) == ParticipationRecord()
    assert chain.submit(1, body) == Accepted()


def test_u3_a_task_that_registers_in_this_block_has_no_round_yet() -> None:
    chain = Training()
    blob = digest("early")
    register = chain.sign(chain.operator, RegisterTask(task=SPEC))
    early = SubmitUpdate(task=TASK, round=RoundNumber(1), base=MODEL, blob=blob, examples=1)
    executed = chain.block(register, chain.sign(chain.sites[ParticipantId(1)], early))
    assert verdicts(executed) == [Accepted(values=(1,)), refused("U3", 1, 0)]


def test_u4_the_participant_is_invited() -> None:
    chain = Training(replace(SPEC, invited=SPEC.invited[:4]))
    assert chain.submit(5, chain.recorded_update(5)) == refused("U4", 5)
    assert chain.participation(5) == ParticipationRecord()
    assert chain.submit(4, chain.recorded_update(4)) == Accepted()


@pytest.mark.parametrize("past", [0, 1])
def test_u5_an_update_at_the_deadline_is_late(chain: Training, past: int) -> None:
    chain.send_all([1, 2, 3])
    body = chain.recorded_update(4)
    deadline = chain.round().deadline
    executed = chain.block(chain.sign(chain.sites[ParticipantId(4)], body), time=deadline + past)
    assert isinstance(actions(executed)[0], RoundClosed)
    assert verdicts(executed) == [refused("U5", deadline + past, deadline)]
    assert chain.participation(4) == ParticipationRecord(late=True)


def test_u5_an_update_just_before_the_deadline_is_in_time(chain: Training) -> None:
    body = chain.recorded_update(4)
    assert chain.submit(4, body, time=chain.round().deadline - 1) == Accepted()


def test_u5_an_update_is_late_even_if_the_closure_has_to_wait() -> None:
    chain = Training(SPEC, parameters=ChainParameters(block_actions_max=1))
    chain.start(replace(SPEC, name="another"))
    chain.send_all([1, 2, 3])
    body = replace(chain.recorded_update(4), task="another")
    late = chain.sign(chain.sites[ParticipantId(4)], body)
    waiting = queries.round_record(chain.state, "another", RoundNumber(1))
    assert waiting is not None
    executed = chain.block(late, time=waiting.deadline)
    assert [task for _, task in task_actions(executed)] == [TASK]
    assert verdicts(executed) == [refused("U5", waiting.deadline, waiting.deadline)]


def test_u5_who_has_an_accepted_update_is_not_marked_late(chain: Training) -> None:
    chain.close([1, 2, 3])
    again = chain.update(1)
    assert chain.submit(1, again) == refused("U5", chain.time, chain.round().deadline)
    assert not chain.participation(1).late


def test_u5_once_the_round_is_final_nobody_is_marked_late(chain: Training) -> None:
    body = chain.recorded_update(5)
    chain.decide()
    before = chain.participation(5, 1)
    assert chain.submit(5, body) == refused("U3", 1, 2)
    assert chain.participation(5, 1) == before
    assert chain.participation(5, 2) == ParticipationRecord()


def test_u6_an_update_may_be_tried_three_times(chain: Training) -> None:
    bad = replace(chain.recorded_update(1), examples=0)
    for attempt in (1, 2, 3):
        assert chain.submit(1, bad) == refused("U13")
        assert chain.participation(1).attempts == attempt
    assert chain.submit(1, chain.recorded_update(1)) == refused("U6", 3, 3)
    assert chain.participation(1).attempts == 3


def test_u6_the_third_attempt_may_succeed(chain: Training) -> None:
    good = chain.recorded_update(1)
    for _ in range(2):
        chain.submit(1, replace(good, examples=0))
    assert chain.submit(1, good) == Accepted()
    assert chain.participation(1).attempts == 2


def test_u6_attempts_begin_anew_in_the_next_round(chain: Training) -> None:
    bad = replace(chain.recorded_update(5), examples=0)
    for _ in range(3):
        chain.submit(5, bad)
    chain.decide()
    assert chain.submit(5, chain.recorded_update(5)) == Accepted()


def test_u6_counts_no_further_than_a_record_can() -> None:
    chain = Training(SPEC, parameters=ChainParameters(update_attempts_max=2**63 - 1))
    bad, key = replace(chain.recorded_update(1), examples=0), state_keys.participation(TASK, RoundNumber(1), WHO)
    chain.state.values[key] = encode(ParticipationRecord(attempts=2**16 - 2))
    assert chain.submit(1, bad) == refused("U13")
    assert chain.submit(1, bad) == refused("U6", 2**16 - 1, 2**16 - 1)


def test_u7_one_update_a_round_is_accepted_the_first_in_chain_order(chain: Training) -> None:
    first, second = chain.recorded_update(1), chain.update(1, name="second")
    chain.block(chain.record(second.blob, update_facts()))
    site = chain.sites[ParticipantId(1)]
    executed = chain.block(chain.sign(site, first), chain.sign(site, second))
    assert verdicts(executed) == [Accepted(), refused("U7")]
    assert chain.participation(1).blob == first.blob
    assert chain.round().accepted == 1


def test_u8_the_base_is_the_rounds(chain: Training) -> None:
    body = chain.recorded_update(1)
    assert chain.submit(1, replace(body, base=digest("another"))) == refused("U8")
    assert chain.submit(1, body) == Accepted()


def test_u9_the_blob_is_recorded(chain: Training) -> None:
    assert chain.submit(1, chain.update(1)) == refused("U9")


@pytest.mark.parametrize("blob", [LAYOUT, MODEL])
def test_u10_the_blob_is_an_update(chain: Training, blob: bytes) -> None:
    assert chain.submit(1, replace(chain.update(1), blob=blob)) == refused("U10")


def test_u11_the_update_fits_the_layout(chain: Training) -> None:
    chain.block(chain.record(OTHER_LAYOUT, LAYOUT_FACTS))
    body = chain.recorded_update(1, facts=update_facts(layout=OTHER_LAYOUT))
    assert chain.submit(1, body) == refused("U11")


@pytest.mark.parametrize("norm", [0, 1, NORM_MAX])
def test_u12_the_norm_may_reach_its_bound(chain: Training, norm: int) -> None:
    assert chain.submit(1, chain.recorded_update(1, facts=update_facts(norm=norm))) == Accepted()


def test_u12_the_norm_may_not_pass_its_bound_by_the_least_unit(chain: Training) -> None:
    over = replace(update_facts(), norm_squared=(NORM_MAX**2 + 1).to_bytes(8, "big"))
    assert chain.submit(1, chain.recorded_update(1, facts=over)) == refused("U12", NORM_MAX + 1, NORM_MAX)


def test_u12_a_norm_beyond_a_receipt_is_clamped(chain: Training) -> None:
    facts: BlobFacts = replace(update_facts(), norm_squared=b"\xff" * 32)
    assert chain.submit(1, chain.recorded_update(1, facts=facts)) == refused("U12", 2**63 - 1, NORM_MAX)


def test_u13_an_update_was_trained_on_something(chain: Training) -> None:
    body = chain.recorded_update(1)
    assert chain.submit(1, replace(body, examples=0)) == refused("U13")
    assert chain.submit(1, replace(body, examples=1)) == Accepted()


def test_a_participant_may_send_another_participants_blob(chain: Training) -> None:
    body = chain.recorded_update(1)
    assert chain.submit(1, body) == Accepted()
    assert chain.submit(2, body) == Accepted()


def test_a_model_recorded_as_output_is_no_update(chain: Training) -> None:
    blob = digest("some model")
    chain.block(chain.record(blob, model_facts(blob)))
    assert chain.submit(1, replace(chain.update(1), blob=blob)) == refused("U10")


def test_every_refusal_of_an_invited_participant_counts_one_attempt(chain: Training) -> None:
    body = chain.recorded_update(1)
    refusals = [replace(body, base=digest("x")), replace(body, blob=digest("x")), replace(body, examples=0)]
    for attempt, bad in enumerate(refusals, start=1):
        assert isinstance(chain.submit(1, bad), Rejected)
        assert chain.participation(1) == ParticipationRecord(attempts=attempt)


def test_the_last_invited_update_closes_the_round_at_the_end_of_its_block(chain: Training) -> None:
    chain.send_all([1, 2, 3, 4])
    executed = chain.send_all([5])
    (closed,) = actions(executed)
    assert isinstance(closed, RoundClosed)
    assert closed.inputs == 5
    assert executed.entries[-1].receipt.position == 2
    assert chain.time < chain.round().opened_time + DEADLINE_MS


def test_invitations_need_not_begin_at_one() -> None:
    invited = tuple(Invitation(participant=ParticipantId(number), examples_max=1) for number in (2, 4, 5))
    chain = Training(replace(SPEC, invited=invited))
    assert chain.submit(1, chain.recorded_update(1)) == refused("U4", 1)
    assert chain.submit(4, chain.recorded_update(4)) == Accepted()
