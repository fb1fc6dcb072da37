"""A1 to A15: each rule fires with its integers, and its near miss is accepted."""

import dataclasses

import pytest
from msgspec.structs import replace

from contracts import queries
from contracts.context import BlockContext
from contracts.execution import judge
from ledger.blobs import Fate, FateRecord, ReportFacts
from ledger.entries import Accepted
from ledger.hashing import Digest
from ledger.quantities import ParticipantId, RoundNumber, ValidatorId
from ledger.state import Overlay
from ledger.transactions import Attest, decode_transaction
from ledger.validators import ValidatorSet
from tests.contracts.driver import digest, refused
from tests.contracts.training import (
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
UNFOUNDED = Attest(
    task=TASK,
    round=RoundNumber(1),
    rule=digest("any"),
    inputs_root=digest("any"),
    base=MODEL,
    output=digest("any"),
    view=digest("any"),
    server_state=digest("any"),
    report=digest("any"),
)


@pytest.fixture
def chain() -> Training:
    chain = Training(SPEC)
    chain.close()
    chain.draw()
    return chain


def member(chain: Training, place: int = 0) -> ValidatorId:
    return chain.round().committee[place]


def outsider(chain: Training) -> ValidatorId:
    (left,) = set(chain.members.services) - set(chain.round().committee)
    return left


def test_an_attestation_is_recorded(chain: Training) -> None:
    body = chain.outcome()
    assert chain.attest(member(chain), body) == Accepted()
    record = queries.attestation(chain.state, TASK, RoundNumber(1), member(chain))
    assert record is not None
    assert (record.attestation, record.height) == (body, chain.height)
    assert queries.attestations(chain.state, TASK, RoundNumber(1)) == {member(chain): record}


def test_a1_only_validators_attest(chain: Training) -> None:
    body = chain.outcome()
    assert chain.verdict(chain.operator, body) == refused("A1")
    assert chain.verdict(chain.sites[ParticipantId(1)], body) == refused("A1")


def test_a1_a_service_key_counts_only_while_its_validator_is_in_the_set() -> None:
    chain = Training(SPEC, validators=5)
    context = BlockContext.following(chain.tip.header, chain.state, time=chain.time)
    without_last = dataclasses.replace(context, validators=ValidatorSet(context.validators.members[:4]))
    for validator, expected in ((4, refused("A1")), (3, refused("A3", 1, 1))):
        signed = decode_transaction(chain.sign(chain.members.services[ValidatorId(validator)], UNFOUNDED))
        assert judge(without_last, Overlay(chain.state), signed).verdict == expected


def test_a2_the_task_exists(chain: Training) -> None:
    assert chain.attest(member(chain), replace(chain.outcome(), task="lung")) == refused("A2")


@pytest.mark.parametrize("named", [0, 2])
def test_a3_the_round_exists(chain: Training, named: int) -> None:
    body = replace(chain.outcome(), round=RoundNumber(named))
    assert chain.attest(member(chain), body) == refused("A3", named, 1)


def test_a3_an_open_round_awaits_no_attestation(chain: Training) -> None:
    body = chain.outcome()
    chain.attest_together([(member(chain, place), body) for place in (0, 1)])
    later = replace(body, round=RoundNumber(2))
    assert chain.attest(0, later) == refused("A3", 2, 2)


def test_a3_a_closed_round_awaits_attestations_from_the_draw_on() -> None:
    chain = Training(SPEC)
    chain.send_all([1, 2, 3, 4])
    service = chain.members.services[ValidatorId(0)]
    assert chain.verdict(service, UNFOUNDED, time=chain.round().deadline) == refused("A3", 1, 1)
    assert chain.verdict(service, UNFOUNDED) in (refused("A6"), refused("A4", 0))


def test_a3_a_void_round_awaits_no_attestation(chain: Training) -> None:
    body = chain.outcome()
    chain.block(time=chain.round().attempt_deadline)
    chain.block(time=chain.round().attempt_deadline)
    assert chain.attest(member_of_first_round(chain), body) == refused("A3", 1, 2)


def member_of_first_round(chain: Training) -> ValidatorId:
    return chain.round(1).committee[0]


def test_a3_the_round_before_is_attestable_until_the_current_one_is_decided(chain: Training) -> None:
    body = chain.outcome()
    first, second, third = chain.round().committee
    chain.attest_together([(first, body), (second, body)])
    chain.close()
    chain.draw()
    outcome = chain.outcome()
    assert chain.attest(third, body) == Accepted()
    members = chain.round().committee
    chain.attest_together([(members[0], outcome), (members[1], outcome)])
    assert chain.task().round == 3
    assert chain.attest(third, body) == refused("A3", 1, 3)


def test_a4_the_first_attempt_is_the_committees(chain: Training) -> None:
    body = chain.outcome()
    assert chain.attest(outsider(chain), body) == refused("A4", outsider(chain))
    chain.block(time=chain.round().attempt_deadline)
    assert chain.attest(outsider(chain), body) == Accepted()


def test_a5_a_validator_attests_a_round_once(chain: Training) -> None:
    body = chain.outcome()
    assert chain.attest(member(chain), body) == Accepted()
    assert chain.attest(member(chain), body) == refused("A5", member(chain))
    assert chain.attest(member(chain), chain.outcome("another")) == refused("A5", member(chain))


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("rule", "A6"),
        ("inputs_root", "A7"),
        ("base", "A8"),
        ("server_state", "A9"),
        ("output", "A10"),
        ("view", "A12"),
        ("report", "A13"),
    ],
)
def test_a6_to_a13_every_digest_must_fit(chain: Training, field: str, rule: str) -> None:
    body = chain.outcome()
    assert chain.attest(member(chain), replace(body, **{field: digest("another")})) == refused(rule)
    assert chain.attest(member(chain), body) == Accepted()


@pytest.mark.parametrize("blob", [LAYOUT, digest("report on model of 1")])
def test_a10_the_output_is_recorded_as_a_model(chain: Training, blob: Digest) -> None:
    assert chain.attest(member(chain), replace(chain.outcome(), output=blob)) == refused("A10")


def test_a11_the_output_fits_the_layout(chain: Training) -> None:
    other = digest("model of another layout")
    chain.block(
        chain.record(OTHER_LAYOUT, LAYOUT_FACTS),
        chain.record(other, model_facts(other, layout=OTHER_LAYOUT)),
        after=0,
    )
    body = replace(chain.outcome(), output=other, view=view_of(other))
    assert chain.attest(member(chain), body) == refused("A11")


def test_a13_the_report_is_recorded_as_one(chain: Training) -> None:
    assert chain.attest(member(chain), replace(chain.outcome(), report=MODEL)) == refused("A13")


def reported(chain: Training, facts: ReportFacts) -> Attest:
    """Return an attestation with a report of these facts."""
    body = replace(chain.outcome(), report=digest("a report"))
    chain.block(chain.record(body.report, facts), after=0)
    return body


@pytest.mark.parametrize("change", [{"task": "lung"}, {"round": RoundNumber(2)}, {"inputs_root": digest("another")}])
def test_a14_the_report_is_on_this_round(chain: Training, change: dict[str, object]) -> None:
    facts = replace(chain.report_facts(chain.round()), **change)
    assert chain.attest(member(chain), reported(chain, facts)) == refused("A14")


def fates(*pairs: tuple[int, Fate]) -> tuple[FateRecord, ...]:
    return tuple(FateRecord(participant=ParticipantId(who), fate=fate) for who, fate in pairs)


USED, CUT = Fate.USED, Fate.CUT


@pytest.mark.parametrize(
    "wrong",
    [
        fates(),
        fates((1, USED), (2, USED), (3, USED)),
        fates((1, USED), (2, USED), (3, USED), (4, USED), (5, USED)),
        fates((1, USED), (2, USED), (3, USED), (5, USED)),
        fates((1, USED), (2, USED), (3, USED), (3, USED)),
        fates((2, USED), (1, USED), (3, USED), (4, USED)),
        fates((1, USED), (2, USED), (3, USED), (4, Fate.ABSENT)),
        fates((1, USED), (2, USED), (3, USED), (4, Fate.UNUSED)),
    ],
)
def test_a15_the_report_covers_exactly_the_accepted_inputs(chain: Training, wrong: tuple[FateRecord, ...]) -> None:
    facts = replace(chain.report_facts(chain.round()), fates=wrong)
    assert chain.attest(member(chain), reported(chain, facts)) == refused("A15", 4, len(wrong))


@pytest.mark.parametrize("fate", [USED, CUT])
def test_a15_used_and_cut_are_fates_of_inputs(chain: Training, fate: Fate) -> None:
    right = fates((1, fate), (2, fate), (3, fate), (4, fate))
    facts = replace(chain.report_facts(chain.round()), fates=right)
    assert chain.attest(member(chain), reported(chain, facts)) == Accepted()


def test_a_refused_attestation_leaves_nothing(chain: Training) -> None:
    chain.attest(member(chain), replace(chain.outcome(), base=digest("another")))
    assert queries.attestations(chain.state, TASK, RoundNumber(1)) == {}
