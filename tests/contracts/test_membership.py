"""V1 to V13: each rule fires with its integers, and its near miss is accepted; what a change writes."""

from collections.abc import Iterable

from msgspec.structs import replace

from contracts import queries
from contracts.membership import LEARNERS_MAX
from ledger.entries import Accepted, Verdict
from ledger.membership import (
    AddValidator,
    Change,
    DropLearner,
    RegisterLearner,
    RemoveValidator,
    ReplaceValidator,
    RotateKeys,
)
from ledger.quantities import ValidatorId
from ledger.records import KeyRecord, KeyRole, SeatStatus
from ledger.transactions import ChangeValidators, EnrolParticipant
from tests.consortium import signing_key
from tests.contracts.driver import Chain, refused, verdicts
from tests.membership import carried, learner, proposal, seat_keys

QUORUM = ("org-00", "org-01", "org-02", "org-03")
"""Run a quorum of four validators, of five, and of four of which one is new."""
FOURTH = ValidatorId(3)
FIFTH = ValidatorId(4)


def body(
    chain: Chain, change: Change, *names: str, by: Iterable[str] = QUORUM, era: int | None = None
) -> ChangeValidators:
    current, _ = queries.era(chain.state)
    made = proposal(change, *names, chain_id=chain.chain_id, era=current if era is None else era)
    return carried(made, (signing_key(f"{name}/operator") for name in by), chain_id=chain.chain_id)


def verdict(chain: Chain, change: Change, *names: str, by: Iterable[str] = QUORUM, era: int | None = None) -> Verdict:
    return chain.verdict(chain.operator, body(chain, change, *names, by=by, era=era))


def with_learner(chain: Chain, name: str = "org-04") -> ValidatorId:
    """Register a learner of a new organisation; return its number."""
    found = verdict(chain, learner(name, name, joins=True), name)
    assert isinstance(found, Accepted), found
    return ValidatorId(found.values[0])


def with_validator(chain: Chain, name: str = "org-04") -> ValidatorId:
    number = with_learner(chain, name)
    assert verdict(chain, AddValidator(learner=number)) == Accepted(values=(number,))
    return number


def rotation(chain: Chain, number: int = 0, **changes: object) -> RotateKeys:
    member = queries.seat(chain.state, ValidatorId(number))
    assert member is not None
    kept = replace(seat_keys(f"org-0{number}"), link_address=member.link_address, rest_url=member.rest_url)
    return RotateKeys(validator=ValidatorId(number), keys=replace(kept, **changes))


def statuses(chain: Chain) -> list[SeatStatus]:
    return [seat.status for seat in queries.seats(chain.state)]


# --- what a change does -------------------------------------------------------------------------------------------


def test_a_learner_comes_with_its_organisation_and_has_no_role() -> None:
    chain = Chain()
    number = with_learner(chain)
    assert number == FIFTH
    seat = queries.seat(chain.state, number)
    assert seat is not None
    assert (seat.status, seat.member.organisation, seat.since) == (SeatStatus.LEARNER, "org-04", chain.height)
    assert (seat.link_address, seat.rest_url) == ("org-04.example:7400", "https://org-04.example:7480")
    assert queries.era(chain.state) == (0, 1)
    assert chain.tip.header.next_validators == chain.tip.header.validators
    assert queries.key_record(chain.state, seat.member.service_key) is None
    operator = queries.key_record(chain.state, signing_key("org-04/operator").public)
    assert operator == KeyRecord(role=KeyRole.OPERATOR, organisation="org-04", subject=0)


def test_an_added_validator_decides_from_the_next_block_on() -> None:
    chain = Chain()
    number = with_learner(chain)
    before = queries.validators(chain.state)
    executed = chain.block(chain.sign(chain.operator, body(chain, AddValidator(learner=number))))
    header = executed.block.header
    assert (header.era, header.validators) == (0, before.digest)
    after = queries.validators(chain.state)
    assert header.next_validators == after.digest != before.digest
    assert after.ids == (0, 1, 2, 3, 4)
    assert queries.era(chain.state) == (1, header.height + 1)
    child = chain.block().block.header
    assert (child.era, child.validators, child.next_validators) == (1, after.digest, after.digest)
    service = queries.key_record(chain.state, signing_key("org-04/service").public)
    assert service == KeyRecord(role=KeyRole.SERVICE, organisation="org-04", subject=number)


def test_a_removed_validator_loses_its_role_and_its_number_is_not_given_again() -> None:
    chain = Chain()
    with_validator(chain)
    assert verdict(chain, RemoveValidator(validator=FOURTH)) == Accepted(values=(FOURTH,))
    assert queries.validators(chain.state).ids == (0, 1, 2, 4)
    assert queries.era(chain.state)[0] == 2
    assert queries.key_record(chain.state, signing_key("org-03/service").public) is None
    assert queries.key_record(chain.state, signing_key("org-03/operator").public) is not None
    assert with_learner(chain, "org-05") == 5
    assert statuses(chain)[3:] == [SeatStatus.LEFT, SeatStatus.VALIDATOR, SeatStatus.LEARNER]


def test_a_replacement_is_one_change_even_of_four_validators() -> None:
    chain = Chain()
    number = with_learner(chain)
    change = ReplaceValidator(validator=FOURTH, learner=number)
    assert verdict(chain, change) == Accepted(values=(number,))
    assert queries.validators(chain.state).ids == (0, 1, 2, 4)
    assert queries.era(chain.state)[0] == 1


def test_a_rotation_keeps_the_number_and_needs_the_owner_alone() -> None:
    chain = Chain()
    change = RotateKeys(validator=ValidatorId(0), keys=seat_keys("new"))
    assert verdict(chain, change, "new", by=("org-00",)) == Accepted(values=(0,))
    member = queries.validators(chain.state).get(ValidatorId(0))
    assert member is not None
    assert (member.organisation, member.vote_key) == ("org-00", signing_key("new/vote").public)
    assert queries.era(chain.state)[0] == 1
    assert queries.key_record(chain.state, signing_key("org-00/service").public) is None
    service = queries.key_record(chain.state, signing_key("new/service").public)
    assert service == KeyRecord(role=KeyRole.SERVICE, organisation="org-00", subject=0)


def test_a_rotation_of_the_vote_key_alone_keeps_the_service_key_in_its_role() -> None:
    chain = Chain()
    change = rotation(chain, vote_key=signing_key("new/vote").public)
    assert verdict(chain, change, "org-00", "new", by=("org-00",)) == Accepted(values=(0,))
    assert queries.key_record(chain.state, signing_key("org-00/service").public) is not None


def test_another_address_ends_no_era() -> None:
    chain = Chain()
    change = rotation(chain, link_address="moved.example:1")
    assert verdict(chain, change, "org-00", by=("org-00",)) == Accepted(values=(0,))
    assert queries.era(chain.state) == (0, 1)
    assert chain.tip.header.next_validators == chain.tip.header.validators
    seat = queries.seat(chain.state, ValidatorId(0))
    assert seat is not None
    assert seat.link_address == "moved.example:1"


def test_a_learner_is_dropped_by_its_organisation_or_by_a_quorum() -> None:
    for by in (("org-04",), QUORUM):
        chain = Chain()
        number = with_learner(chain)
        assert verdict(chain, DropLearner(learner=number), by=by) == Accepted(values=(number,))
        assert statuses(chain)[number] is SeatStatus.LEFT


# --- rules --------------------------------------------------------------------------------------------------------


def test_v1_an_approval_is_for_one_era() -> None:
    chain = Chain()
    change = learner("org-04", "org-04", joins=True)
    assert verdict(chain, change, "org-04", era=1) == refused("V1", 1, 0)
    assert isinstance(verdict(chain, change, "org-04", era=0), Accepted)


def test_v1_the_set_changes_once_a_block() -> None:
    chain = Chain()
    number = with_learner(chain)
    first = body(chain, AddValidator(learner=number))
    second = body(chain, RotateKeys(validator=ValidatorId(0), keys=seat_keys("new")), "new")
    executed = chain.block(chain.sign(chain.operator, first), chain.sign(chain.operator, second))
    assert verdicts(executed) == [Accepted(values=(number,)), refused("V1", 0, 1)]
    assert queries.era(chain.state) == (1, chain.height + 1)


def test_v1_a_change_approved_for_the_next_era_waits_until_that_has_begun() -> None:
    chain = Chain()
    number = with_learner(chain)
    first = body(chain, AddValidator(learner=number))
    ahead = body(chain, RotateKeys(validator=ValidatorId(0), keys=seat_keys("new")), "new", era=1)
    executed = chain.block(chain.sign(chain.operator, first), chain.sign(chain.operator, ahead))
    assert verdicts(executed) == [Accepted(values=(number,)), refused("V1", 1, 0)]
    assert queries.era(chain.state) == (1, chain.height + 1)
    assert chain.verdict(chain.operator, ahead) == Accepted(values=(0,))


def test_v2_an_organisation_without_a_key_must_be_a_member() -> None:
    chain = Chain()
    assert verdict(chain, learner("nobody", "new"), "new") == refused("V2")
    assert isinstance(verdict(chain, learner("org-00", "new"), "new"), Accepted)


def test_v3_nobody_speaks_for_another_organisation() -> None:
    chain = Chain()
    others = ("org-01", "org-02", "org-03")
    assert verdict(chain, learner("org-00", "new"), "new", by=others) == refused("V3")
    change = RotateKeys(validator=ValidatorId(0), keys=seat_keys("new"))
    assert verdict(chain, change, "new", by=others) == refused("V3")


def test_v4_who_is_no_validator_cannot_leave_nor_change_keys() -> None:
    chain = Chain()
    number = with_learner(chain)
    for who in (number, ValidatorId(9)):
        assert verdict(chain, RemoveValidator(validator=who)) == refused("V4", who)
        assert verdict(chain, ReplaceValidator(validator=who, learner=number)) == refused("V4", who)
        assert verdict(chain, RotateKeys(validator=who, keys=seat_keys("new")), "new") == refused("V4", who)


def test_v5_who_is_no_learner_cannot_join_nor_be_dropped() -> None:
    chain = Chain()
    for who in (ValidatorId(0), ValidatorId(9)):
        assert verdict(chain, AddValidator(learner=who)) == refused("V5", who)
        assert verdict(chain, DropLearner(learner=who)) == refused("V5", who)
        assert verdict(chain, ReplaceValidator(validator=FOURTH, learner=who)) == refused("V5", who)


def test_v6_at_least_four_validators_remain() -> None:
    chain = Chain()
    assert verdict(chain, RemoveValidator(validator=FOURTH)) == refused("V6", 3, 4)
    with_validator(chain)
    assert isinstance(verdict(chain, RemoveValidator(validator=FOURTH)), Accepted)


def test_v7_at_most_25_validators_join() -> None:
    chain = Chain(validators=25)
    quorum = [f"org-{number:02}" for number in range(17)]
    change = learner("org-25", "org-25", joins=True)
    found = verdict(chain, change, "org-25", by=quorum)
    assert found == Accepted(values=(25,))
    assert verdict(chain, AddValidator(learner=ValidatorId(25)), by=quorum) == refused("V7", 26, 25)
    replacement = ReplaceValidator(validator=FOURTH, learner=ValidatorId(25))
    assert isinstance(verdict(chain, replacement, by=quorum), Accepted)


def test_v8_a_member_brings_no_operator_key() -> None:
    chain = Chain()
    assert verdict(chain, learner("org-00", "new", joins=True), "new") == refused("V8")


def test_v9_one_learner_an_organisation_and_few_in_all() -> None:
    chain = Chain(validators=10)
    quorum = [f"org-{number:02}" for number in range(7)]
    for number in range(LEARNERS_MAX):
        name = f"org-{number:02}"
        assert isinstance(verdict(chain, learner(name, f"new-{number}"), f"new-{number}", by=(name,)), Accepted)
        again = learner(name, "again")
        assert verdict(chain, again, "again", by=(name,)) == refused("V9", 1, number + 1, LEARNERS_MAX)
    last = learner("org-08", "last")
    assert verdict(chain, last, "last", by=("org-08",)) == refused("V9", 0, LEARNERS_MAX, LEARNERS_MAX)
    assert isinstance(verdict(chain, DropLearner(learner=ValidatorId(10)), by=quorum), Accepted)
    assert isinstance(verdict(chain, last, "last", by=("org-08",)), Accepted)


def test_v10_a_key_belongs_to_one_seat_for_good() -> None:
    chain = Chain()
    with_validator(chain)
    assert isinstance(verdict(chain, RemoveValidator(validator=FOURTH)), Accepted)
    keys = seat_keys("new")
    for name in ("vote_key", "service_key", "log_head_key"):
        for kind in ("vote", "service", "log-head", "operator"):
            stale = replace(keys, **{name: signing_key(f"org-03/{kind}").public})
            change = RegisterLearner(organisation="org-00", operator_key=None, keys=stale)
            assert verdict(chain, change, "new", "org-03") == refused("V10"), (name, kind)
    stale = replace(keys, link_certificate=seat_keys("org-03").link_certificate)
    change = RegisterLearner(organisation="org-00", operator_key=None, keys=stale)
    assert verdict(chain, change, "new") == refused("V10")


def test_v10_a_retired_key_does_not_come_back_and_none_changes_its_purpose() -> None:
    chain = Chain()
    change = RotateKeys(validator=ValidatorId(0), keys=seat_keys("new"))
    assert isinstance(verdict(chain, change, "new"), Accepted)
    back = RotateKeys(validator=ValidatorId(0), keys=seat_keys("org-00"))
    assert verdict(chain, back, "org-00") == refused("V10")
    fresh = signing_key("newer/vote").public
    for changes in (
        {"vote_key": signing_key("new/service").public, "service_key": fresh},
        {"vote_key": fresh, "service_key": fresh},
        {"vote_key": signing_key("new/log-head").public},
    ):
        keys = replace(seat_keys("new"), **changes)
        assert verdict(chain, RotateKeys(validator=ValidatorId(0), keys=keys), "new", "newer") == refused("V10")


def test_v10_a_participant_never_signs_with_a_seats_key() -> None:
    chain = Chain()
    with_learner(chain)
    for kind in ("vote", "service", "log-head"):
        enrolment = EnrolParticipant(organisation="org-00", name=kind, key=signing_key(f"org-04/{kind}").public)
        assert chain.verdict(chain.operator, enrolment) == refused("P4")


def test_v11_and_v12_every_new_key_is_shown_to_be_held() -> None:
    chain = Chain()
    whole = body(chain, learner("org-04", "org-04", joins=True), "org-04")
    for place in range(4):
        proofs = list(whole.possession)
        del proofs[place]
        fewer = _again(chain, replace(whole, possession=tuple(proofs)))
        assert chain.verdict(chain.operator, fewer) == refused("V11", 4, 3)
        proofs.insert(place, whole.possession[place - 1])
        wrong = _again(chain, replace(whole, possession=tuple(proofs)))
        assert chain.verdict(chain.operator, wrong) == refused("V12", place)
    assert isinstance(chain.verdict(chain.operator, whole), Accepted)


def test_v13_a_rotation_changes_something() -> None:
    chain = Chain()
    assert verdict(chain, rotation(chain), "org-00", by=("org-00",)) == refused("V13")


def test_g3_a_change_of_the_set_needs_those_who_run_a_quorum() -> None:
    chain = Chain()
    number = with_learner(chain)
    for change in (
        AddValidator(learner=number),
        RemoveValidator(validator=FOURTH),
        ReplaceValidator(validator=FOURTH, learner=number),
        DropLearner(learner=number),
    ):
        assert verdict(chain, change, by=QUORUM[:2]) == refused("G3", 3, 2)
        assert verdict(chain, change, by=()) == refused("G3", 3, 0)
    joining = learner("org-05", "org-05", joins=True)
    assert verdict(chain, joining, "org-05", by=QUORUM[:2]) == refused("G3", 3, 2)


def test_g4_an_approval_is_for_one_change_and_its_proofs() -> None:
    chain = Chain()
    number = with_learner(chain)
    other = body(chain, DropLearner(learner=number))
    made = replace(body(chain, AddValidator(learner=number)), approvals=other.approvals)
    assert chain.verdict(chain.operator, made) == refused("G4", 0)


def test_nothing_is_written_by_a_refusal() -> None:
    chain = Chain()
    number = with_learner(chain)
    before = (queries.validators(chain.state).digest, queries.era(chain.state), statuses(chain))
    assert verdict(chain, ReplaceValidator(validator=FOURTH, learner=number), by=QUORUM[:2]) == refused("G3", 3, 2)
    assert (queries.validators(chain.state).digest, queries.era(chain.state), statuses(chain)) == before


def _again(chain: Chain, made: ChangeValidators) -> ChangeValidators:
    """Approve once more: approvals cover the proofs of possession too."""
    operators = [signing_key(f"{name}/operator") for name in QUORUM]
    return carried(made, operators, chain_id=chain.chain_id)
