"""What the end of an era means for what is under way: rounds, attestations, HOLDs, transactions of who has left."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from contracts import queries
from contracts.errors import UnknownKey
from contracts.validity import BlockAdmission
from ledger.entries import Accepted, RoundDecided, RoundVoided
from ledger.membership import AddValidator, Change, RemoveValidator, ReplaceValidator
from ledger.quantities import Height, ModelVersion, ValidatorId
from ledger.records import RoundStatus
from ledger.transactions import decode_transaction
from tests.consortium import signing_key
from tests.contracts.driver import actions, digest, refused
from tests.contracts.training import TASK, Training, task_spec, update_facts
from tests.membership import carried, learner, proposal

NEW = ValidatorId(4)


def attested(*, validators: int = 4) -> Training:
    """Return a chain whose first round awaits attestations, with a learner."""
    chain = Training(replace(task_spec(), committee_size=3 if validators < 7 else 5), validators=validators)
    change(chain, learner(f"org-{validators:02}", f"org-{validators:02}", joins=True), f"org-{validators:02}")
    chain.close()
    chain.draw()
    return chain


def change(chain: Training, wanted: Change, *names: str, by: Iterable[str] | None = None) -> None:
    era, _ = queries.era(chain.state)
    body = proposal(wanted, *names, chain_id=chain.chain_id, era=era)
    agreed = {member.organisation for member in queries.validators(chain.state).members} if by is None else by
    operators = [signing_key(f"{name}/operator") for name in agreed]
    found = chain.verdict(chain.operator, carried(body, operators, chain_id=chain.chain_id))
    assert isinstance(found, Accepted), found
    number = max(queries.validators(chain.state).ids)
    chain.members.services.setdefault(number, signing_key(f"org-{number:02}/service"))


def test_a_committee_member_that_has_left_attests_no_more_and_counts_no_more() -> None:
    chain = attested()
    outcome = chain.outcome()
    first, second, third = chain.round().committee
    assert chain.attest(first, outcome) == Accepted()
    change(chain, ReplaceValidator(validator=first, learner=NEW))
    assert chain.round().status is RoundStatus.CLOSED
    with pytest.raises(AssertionError, match="invalid"):  # its service key is off the chain
        chain.attest(first, outcome)
    assert actions(chain.attest_together([(second, outcome)])) == []
    decided, *_ = actions(chain.attest_together([(third, outcome)]))
    assert isinstance(decided, RoundDecided)
    model = queries.model(chain.state, TASK, ModelVersion(1))
    assert model is not None
    assert model.attesters == tuple(sorted((second, third)))


def test_two_of_seven_cannot_decide_once_six_are_left() -> None:
    """With f = 2 two Byzantine attestations may be there already; with f = 1 two would be enough."""
    chain = attested(validators=7)
    lie = chain.outcome("lie")
    truth = chain.outcome()
    first, second, third, *_ = chain.round().committee
    assert actions(chain.attest_together([(first, lie), (second, lie)])) == []
    change(chain, RemoveValidator(validator=second))
    assert queries.validators(chain.state).weak_quorum == 2
    assert actions(chain.attest_together([(third, truth)])) == []
    assert chain.round().status is RoundStatus.CLOSED


def test_a_new_validator_attests_in_the_second_attempt_only() -> None:
    chain = attested()
    outcome = chain.outcome()
    change(chain, AddValidator(learner=NEW))
    assert chain.attest(NEW, outcome) == refused("A4", NEW)
    chain.block(time=chain.round().attempt_deadline)
    assert chain.attest(NEW, outcome) == Accepted()
    member = chain.round().committee[0]
    decided, *_ = actions(chain.attest_together([(member, outcome)]))
    assert isinstance(decided, RoundDecided)


def test_a_round_that_lost_too_many_members_is_void_after_the_second_attempt() -> None:
    chain = attested()
    chain.outcome()
    change(chain, ReplaceValidator(validator=chain.round().committee[0], learner=NEW))
    chain.block(time=chain.round().attempt_deadline)
    voided, *_ = actions(chain.block(time=chain.round().attempt_deadline))
    assert isinstance(voided, RoundVoided)


def test_a_committee_is_large_enough_for_the_set_it_is_drawn_from() -> None:
    chain = Training(task_spec(), validators=6)
    assert task_spec().committee_size == 3
    change(chain, learner("org-06", "org-06", joins=True), "org-06")
    change(chain, AddValidator(learner=ValidatorId(6)))
    assert queries.validators(chain.state).faulty_max == 2
    chain.close()
    assert len(chain.draw()) == 5


def test_holds_of_a_past_era_count_no_more() -> None:
    chain = attested()
    stale = chain.recording(digest("late"), update_facts())
    change(chain, AddValidator(learner=NEW))
    assert chain.verdict(chain.operator, stale) == refused("B3", 4, 3)
    enough = replace(stale, holds=(*stale.holds, chain.hold(3, digest("late"), update_facts())))
    assert chain.verdict(chain.operator, enough) == refused("B9", 0)
    again = chain.recording(digest("late"), update_facts(), holders=range(4))
    assert isinstance(chain.verdict(chain.operator, again), Accepted)


def test_transactions_of_who_has_left_are_no_part_of_any_block() -> None:
    chain = attested()
    leaving = chain.round().committee[0]
    raw = chain.sign(chain.members.services[leaving], chain.outcome())
    change(chain, ReplaceValidator(validator=leaving, learner=NEW))
    admission = BlockAdmission(chain.state, height=Height(chain.height + 1), chain_id=chain.chain_id)
    with pytest.raises(UnknownKey):
        admission.check(decode_transaction(raw))
