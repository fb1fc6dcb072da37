"""T1 to T22: each rule fires with its integers, and its near miss is accepted."""

import pytest
from msgspec.structs import replace

from contracts import queries
from ledger.entries import Accepted, RoundOpened, Verdict
from ledger.hashing import ZERO_DIGEST
from ledger.parameters import ChainParameters
from ledger.quantities import ModelVersion, ParticipantId, RoundNumber
from ledger.records import GlobalModelRecord, RoundStatus, TaskStatus
from ledger.tasks import CappedExamples, Invitation, Mean, TaskSpec, TrimmedMean
from ledger.transactions import EnrolParticipant, RegisterTask
from tests.consortium import signing_key
from tests.contracts.driver import actions, digest, refused
from tests.contracts.training import (
    DEADLINE_MS,
    LAYOUT,
    LAYOUT_FACTS,
    MODEL,
    OTHER_LAYOUT,
    TASK,
    Training,
    model_facts,
    task_spec,
    view_of,
)

SPEC = task_spec()
DAYS_30 = 30 * 24 * 3600 * 1_000


def verdict(chain: Training, spec: TaskSpec) -> Verdict:
    return chain.verdict(chain.operator, RegisterTask(task=spec))


def invitations(*numbers: int, examples_max: int = 1_000) -> tuple[Invitation, ...]:
    return tuple(Invitation(participant=ParticipantId(number), examples_max=examples_max) for number in numbers)


def test_registration_opens_round_one_in_the_same_block() -> None:
    chain = Training()
    executed = chain.block(chain.sign(chain.operator, RegisterTask(task=SPEC)))
    assert executed.entries[0].receipt.verdict == Accepted(values=(1,))
    assert actions(executed) == [RoundOpened(task=TASK, round=RoundNumber(1), base=MODEL)]
    round_ = chain.round(1)
    assert (round_.status, round_.base, round_.base_version) == (RoundStatus.OPEN, MODEL, 0)
    assert (round_.opened_time, round_.deadline) == (chain.time, chain.time + DEADLINE_MS)
    assert (round_.opened_height, round_.invited) == (chain.height, SPEC.invited)


def test_registration_writes_the_task_and_version_zero_of_its_model() -> None:
    chain = Training(SPEC)
    task = chain.task()
    assert (task.spec, task.registered, task.status) == (SPEC, chain.height, TaskStatus.RUNNING)
    assert (task.round, task.version, task.model) == (1, 0, MODEL)
    assert list(queries.tasks(chain.state)) == [task]
    assert queries.tasks_open(chain.state) == 1
    assert queries.model(chain.state, TASK, ModelVersion(0)) == GlobalModelRecord(
        task=TASK,
        version=ModelVersion(0),
        round=RoundNumber(0),
        height=chain.height,
        base=ZERO_DIGEST,
        model=MODEL,
        view=view_of(MODEL),
        server_state=ZERO_DIGEST,
        report=ZERO_DIGEST,
        inputs_root=ZERO_DIGEST,
        rule=ZERO_DIGEST,
        attesters=(),
    )


def test_t1_only_an_operator_registers() -> None:
    chain = Training()
    for key in (*chain.sites.values(), *chain.members.services.values()):
        assert chain.verdict(key, RegisterTask(task=SPEC)) == refused("T1")
    assert chain.verdict(chain.members.operators["site-00"], RegisterTask(task=SPEC)) == Accepted(values=(1,))


def test_t2_a_name_is_used_once() -> None:
    chain = Training(SPEC)
    assert verdict(chain, SPEC) == refused("T2", chain.height - 1)
    assert verdict(chain, replace(SPEC, name="lung")) == Accepted(values=(1,))


def test_t3_so_many_tasks_run_at_a_time() -> None:
    chain = Training(SPEC, parameters=ChainParameters(tasks_open_max=2))
    assert verdict(chain, replace(SPEC, name="lung")) == Accepted(values=(1,))
    assert verdict(chain, replace(SPEC, name="skin")) == refused("T3", 2, 2)


@pytest.mark.parametrize("layout", [digest("not recorded"), MODEL])
def test_t4_the_layout_is_recorded_as_one(layout: bytes) -> None:
    assert verdict(Training(), replace(SPEC, layout=layout)) == refused("T4")


def test_t5_a_layout_has_weights() -> None:
    chain = Training()
    chain.block(chain.record(OTHER_LAYOUT, replace(LAYOUT_FACTS, weight_elements=0)))
    assert verdict(chain, replace(SPEC, layout=OTHER_LAYOUT)) == refused("T5")


@pytest.mark.parametrize("model", [digest("not recorded"), LAYOUT])
def test_t6_the_initial_model_is_recorded_as_one(model: bytes) -> None:
    assert verdict(Training(), replace(SPEC, initial_model=model)) == refused("T6")


def test_t7_the_initial_model_fits_the_layout() -> None:
    chain = Training()
    other = digest("model of another layout")
    chain.block(
        chain.record(OTHER_LAYOUT, replace(LAYOUT_FACTS, weight_elements=1)),
        chain.record(other, model_facts(other, layout=OTHER_LAYOUT)),
    )
    assert verdict(chain, replace(SPEC, initial_model=other)) == refused("T7")
    assert verdict(chain, replace(SPEC, initial_model=other, layout=OTHER_LAYOUT)) == Accepted(values=(1,))


def test_t8_only_plain_is_built() -> None:
    assert verdict(Training(), replace(SPEC, privacy=1)) == refused("T8", 1)


def test_t9_somebody_is_invited() -> None:
    assert verdict(Training(), replace(SPEC, invited=())) == refused("T9", 0, 1_024)


def test_t9_so_many_may_be_invited() -> None:
    chain = Training(parameters=ChainParameters(invited_max=4))
    assert verdict(chain, SPEC) == refused("T9", 5, 4)
    assert verdict(chain, replace(SPEC, invited=invitations(1, 2, 3, 4))) == Accepted(values=(1,))


@pytest.mark.parametrize(("numbers", "pair"), [((1, 3, 2), (3, 2)), ((1, 2, 2, 3), (2, 2))])
def test_t10_the_invited_are_ascending(numbers: tuple[int, ...], pair: tuple[int, int]) -> None:
    assert verdict(Training(), replace(SPEC, invited=invitations(*numbers))) == refused("T10", *pair)


def test_t11_the_invited_are_enrolled() -> None:
    chain = Training()
    assert verdict(chain, replace(SPEC, invited=invitations(1, 2, 3, 6))) == refused("T11", 6)
    assert verdict(chain, replace(SPEC, invited=invitations(1, 2, 3, 5))) == Accepted(values=(1,))


def test_t12_an_organisation_sends_one_participant() -> None:
    chain = Training()
    second = EnrolParticipant(organisation="org-00", name="second", key=signing_key("second").public)
    assert chain.accepted(chain.operator, second) == (6,)
    assert verdict(chain, replace(SPEC, invited=invitations(1, 2, 3, 6))) == refused("T12", 1, 6)
    assert verdict(chain, replace(SPEC, invited=invitations(2, 3, 4, 6))) == Accepted(values=(1,))


@pytest.mark.parametrize(
    ("faulty_max", "updates_min", "accepted"),
    [(1, 2, False), (1, 3, True), (1, 5, True), (1, 6, False), (2, 5, True), (2, 4, False), (3, 7, False)],
)
def test_t13_updates_min_lies_between_2b_plus_1_and_the_invited(
    faulty_max: int, updates_min: int, *, accepted: bool
) -> None:
    got = verdict(Training(), replace(SPEC, faulty_max=faulty_max, updates_min=updates_min))
    assert got == (Accepted(values=(1,)) if accepted else refused("T13", 2 * faulty_max + 1, updates_min, 5))


def test_t14_the_mean_tolerates_nobody() -> None:
    chain = Training()
    assert verdict(chain, replace(SPEC, rule=Mean())) == refused("T14", 1)
    assert verdict(chain, replace(SPEC, rule=Mean(), faulty_max=0)) == Accepted(values=(1,))


def test_t15_examples_weigh_in_the_mean_only() -> None:
    chain = Training()
    assert verdict(chain, replace(SPEC, weights=CappedExamples())) == refused("T15")
    mean = replace(SPEC, rule=Mean(), faulty_max=0, weights=CappedExamples())
    assert verdict(chain, mean) == Accepted(values=(1,))


def test_t16_the_norm_bound_leaves_something() -> None:
    chain = Training()
    assert verdict(chain, replace(SPEC, norm_max=0)) == refused("T16")
    assert verdict(chain, replace(SPEC, norm_max=1)) == Accepted(values=(1,))


@pytest.mark.parametrize(("field", "rule"), [("deadline_ms", "T17"), ("attempt_ms", "T18")])
def test_t17_t18_times_have_bounds(field: str, rule: str) -> None:
    chain = Training()
    assert verdict(chain, replace(SPEC, **{field: 0})) == refused(rule, 0, DAYS_30)
    assert verdict(chain, replace(SPEC, **{field: DAYS_30 + 1})) == refused(rule, DAYS_30 + 1, DAYS_30)
    assert verdict(chain, replace(SPEC, **{field: DAYS_30})) == Accepted(values=(1,))
    assert verdict(chain, replace(SPEC, name="lung", **{field: 1})) == Accepted(values=(1,))


def test_t19_rounds_have_bounds() -> None:
    chain = Training()
    assert verdict(chain, replace(SPEC, rounds_max=0)) == refused("T19", 0, 100_000)
    assert verdict(chain, replace(SPEC, rounds_max=100_001)) == refused("T19", 100_001, 100_000)
    assert verdict(chain, replace(SPEC, rounds_max=100_000)) == Accepted(values=(1,))


@pytest.mark.parametrize(("size", "accepted"), [(4, False), (5, True), (7, True), (8, False)])
def test_t20_a_committee_has_2f_plus_1_to_n_members(size: int, *, accepted: bool) -> None:
    got = verdict(Training(validators=7), replace(SPEC, committee_size=size))
    assert got == (Accepted(values=(1,)) if accepted else refused("T20", size, 5, 7))


@pytest.mark.parametrize(("exponent_min", "bits"), [(1, 63), (2, 62)])
def test_t21_integers_fit_into_62_bits(exponent_min: int, bits: int) -> None:
    chain = Training()
    coarse = digest("model of a coarse layout")
    chain.block(
        chain.record(OTHER_LAYOUT, replace(LAYOUT_FACTS, exponent_min=exponent_min)),
        chain.record(coarse, model_facts(coarse, layout=OTHER_LAYOUT)),
    )
    spec = replace(SPEC, layout=OTHER_LAYOUT, initial_model=coarse, rule=Mean(), faulty_max=0, weights=CappedExamples())
    assert verdict(chain, spec) == (Accepted(values=(1,)) if bits <= 62 else refused("T21", bits, 62))


def test_t22_registered_examples_fit_into_32_bits() -> None:
    chain = Training()
    mean = replace(SPEC, rule=Mean(), faulty_max=0, weights=CappedExamples(), updates_min=1)
    none = replace(mean, invited=(*invitations(1), *invitations(2, examples_max=0)))
    assert verdict(chain, none) == refused("T22", 0, 1_000)
    many = replace(mean, invited=invitations(1, 2, examples_max=2**31))
    assert verdict(chain, many) == refused("T22", 2**31, 2**32)
    fitting = replace(mean, invited=(*invitations(1, examples_max=2**31), *invitations(2, examples_max=2**31 - 1)))
    assert verdict(chain, fitting) == Accepted(values=(1,))


def test_t22_registered_examples_are_free_where_they_do_not_weigh() -> None:
    spec = replace(SPEC, rule=TrimmedMean(), invited=invitations(1, 2, 3, examples_max=0))
    assert verdict(Training(), spec) == Accepted(values=(1,))


def test_a_refused_registration_opens_nothing() -> None:
    chain = Training()
    executed = chain.block(chain.sign(chain.operator, RegisterTask(task=replace(SPEC, norm_max=0))))
    assert actions(executed) == []
    assert queries.task(chain.state, TASK) is None
    assert queries.tasks_open(chain.state) == 0


def test_integers_of_a_refusal_are_clamped_to_what_a_receipt_can_hold() -> None:
    many = invitations(1, 2, examples_max=2**63 - 1)
    spec = replace(SPEC, rule=Mean(), faulty_max=0, weights=CappedExamples(), updates_min=1, invited=many)
    assert verdict(Training(), spec) == refused("T22", 2**63 - 1, 2**63 - 1)
