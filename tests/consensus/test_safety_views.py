"""Rules S9 and S10 of `consensus.safety_rules`, and what is sealed when: leaving a view and entering one."""

import pytest
from msgspec.structs import replace

from consensus.errors import Unsafe
from consensus.safety_rules import SafetyRules
from ledger.errors import InvalidCertificate
from ledger.quantities import ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.forge import Forge, choice
from tests.consensus.rules import (
    BACKUP,
    FORGE,
    NEXT,
    OTHER,
    PRIMARY,
    A,
    B,
    above,
    enter,
    prepared_and_committed,
    rules,
)


def test_s9_a_view_is_given_up_for_a_higher_one_only() -> None:
    safety = rules(BACKUP)
    safety.give_up(View(2))
    for view in (1, 2):
        with pytest.raises(Unsafe, match="S9 "):
            safety.give_up(View(view))


def test_s9_a_view_change_shows_what_was_committed_above_the_certificate() -> None:
    safety = above(A)
    prepared_and_committed(safety, B)
    change = safety.give_up(View(1))
    assert change.payload.certificate == FORGE.certificate(A.header)
    assert [held.header for held in change.payload.prepared] == [B.header]


def test_s9_a_view_change_that_would_hide_a_commit_is_refused() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, A)
    safety._prepared.clear()
    with pytest.raises(Unsafe, match="S9 "):
        safety.give_up(View(1))


def test_s9_a_certificate_of_a_lower_view_than_the_commit_is_not_enough() -> None:
    safety = rules(BACKUP)
    enter(safety, 1)
    prepared_and_committed(safety, A, view=1)
    safety._prepared[A.header.height] = FORGE.prepared(A.header, 0)
    with pytest.raises(Unsafe, match="S9 "):
        safety.give_up(View(2))


def test_s9_what_was_appended_need_not_be_shown() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, A)
    safety.appended(choice(A.header), FORGE.certificate(A.header))
    assert not safety.give_up(View(1)).payload.prepared


def test_s9_the_certificate_of_the_highest_view_is_shown() -> None:
    safety = rules(BACKUP)
    safety.hold(FORGE.prepared(A.header, 0))
    enter(safety, 1)
    safety.hold(FORGE.prepared(OTHER.header, 1))
    (held,) = safety.give_up(View(2)).payload.prepared
    assert (held.view, held.header) == (1, OTHER.header)


def test_s10_the_primary_announces_a_view_once() -> None:
    safety = rules(NEXT)
    safety.give_up(View(1))
    safety.announce(FORGE.view_changes(1))
    with pytest.raises(Unsafe, match="S10 "):
        safety.announce(tuple(FORGE.view_change(who, 1) for who in (0, 1, 2)))


def test_s10_a_backup_announces_nothing() -> None:
    safety = rules(BACKUP)
    safety.give_up(View(1))
    with pytest.raises(Unsafe, match="S10 "):
        safety.announce(FORGE.view_changes(1))


def test_s10_a_view_is_entered_once() -> None:
    safety = rules(BACKUP)
    enter(safety, 1)
    with pytest.raises(Unsafe, match="S10 "):
        enter(safety, 1)


def test_an_own_view_change_is_that_of_the_current_view() -> None:
    safety = rules(BACKUP)
    change = safety.give_up(View(1))
    enter(safety, 1)
    assert safety.view_change == change
    enter(safety, 2)
    assert safety.view_change is None


def test_s10_no_view_below_the_own_one_is_entered() -> None:
    safety = rules(BACKUP)
    safety.give_up(View(2))
    with pytest.raises(Unsafe, match="S10 "):
        enter(safety, 1)


def test_s10_a_new_view_that_does_not_follow_from_its_view_changes_changes_nothing() -> None:
    safety = rules(BACKUP)
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)])
    honest = FORGE.new_view(changes)
    with pytest.raises(InvalidCertificate):
        safety.enter(FORGE.sign_new_view(replace(honest.payload, choices=())), changes)
    assert safety.view == 0
    assert safety.prepare(OTHER.header)


def test_s10_a_view_that_was_entered_is_not_announced_again() -> None:
    with pytest.raises(Unsafe, match="S10 "):
        rules(PRIMARY).announce(FORGE.view_changes(0))


def test_votes_are_sealed_in_the_order_in_which_they_were_admitted() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, A)
    record = safety.take()
    (bundle,) = safety.seal()
    assert record is not None
    assert record.votes == bundle.votes
    assert [vote.kind for vote in bundle.votes] == [VoteKind.PREPARE, VoteKind.COMMIT]
    bundle.verify(FORGE.context.validators.vote_key(ValidatorId(BACKUP)), chain_id=FORGE.context.chain_id)


def test_nothing_is_taken_or_sealed_twice() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    safety.take()
    assert safety.take() is None
    assert len(safety.seal()) == 1
    assert safety.seal() == ()


@pytest.mark.parametrize("taken", [False, True])
def test_votes_that_were_not_sealed_are_dropped_when_the_view_is_left(taken: bool) -> None:  # noqa: FBT001
    safety = rules(BACKUP)
    safety.prepare(A.header)
    if taken:
        safety.take()
    safety.give_up(View(1))
    assert safety.take() is None
    assert safety.seal() == ()


def test_votes_that_were_not_sealed_are_dropped_when_another_view_is_entered() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    enter(safety, 1)
    assert safety.take() is None


def test_more_votes_than_a_bundle_holds_leave_in_several() -> None:
    forge = Forge(window=64)
    safety = SafetyRules(
        context=forge.context, validator=ValidatorId(0), key=forge.key(0), head=forge.context.root, certificate=None
    )
    for block in forge.chain(64):
        safety.prepare(block.header)
        safety.hold(forge.prepared(block.header))
        safety.commit(block.header)
    safety.take()
    assert [len(bundle.votes) for bundle in safety.seal()] == [64, 64]
