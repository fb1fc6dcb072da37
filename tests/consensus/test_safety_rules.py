"""Each rule S1 to S11 of `consensus.safety_rules`: what it refuses, and the near miss that it lets pass."""

import pytest
from msgspec.structs import replace

from consensus.errors import Unsafe
from consensus.messages import Choice, ViewChange
from consensus.safety_rules import SafetyRules
from ledger.blocks import Block
from ledger.certificates import CommitCertificate
from ledger.errors import InvalidCertificate
from ledger.hashing import sha256
from ledger.quantities import Era, ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.forge import Forge, choice

FORGE = Forge(window=4)
PRIMARY = FORGE.primary(0)
BACKUP = 0
NEXT = FORGE.primary(1)


def rules(who: int, *, head: Choice | None = None, certificate: CommitCertificate | None = None) -> SafetyRules:
    return SafetyRules(
        context=FORGE.context,
        validator=ValidatorId(who),
        key=FORGE.key(who),
        head=head or FORGE.context.root,
        certificate=certificate,
    )


def above(block: Block, who: int = BACKUP) -> SafetyRules:
    """Return rules of somebody who has appended a block."""
    return rules(who, head=choice(block.header), certificate=FORGE.certificate(block.header))


def enter(safety: SafetyRules, view: int, changes: tuple[ViewChange, ...] | None = None) -> None:
    named = changes or FORGE.view_changes(view)
    safety.enter(FORGE.new_view(named), named)


def prepared_and_committed(safety: SafetyRules, block: Block, view: int = 0) -> None:
    safety.prepare(block.header)
    safety.hold(FORGE.prepared(block.header, view))
    safety.commit(block.header)


A, B, C, D = FORGE.chain(4)
OTHER = FORGE.block(FORGE.genesis, b"other")


def test_s1_no_vote_in_a_view_that_is_not_entered_yet() -> None:
    safety = rules(BACKUP)
    safety.give_up(View(1))
    with pytest.raises(Unsafe, match="S1 "):
        safety.prepare(A.header)


def test_s1_a_view_is_voted_in_once_it_is_entered() -> None:
    safety = rules(BACKUP)
    safety.give_up(View(1))
    enter(safety, 1)
    assert safety.prepare(A.header)


def test_s1_no_certificate_of_a_view_that_was_left_is_held() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    enter(safety, 1)
    with pytest.raises(Unsafe, match="S5 "):
        safety.hold(FORGE.prepared(A.header, 0))


def test_s2_no_second_digest_is_prepared() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    with pytest.raises(Unsafe, match="S2 "):
        safety.prepare(OTHER.header)


def test_s2_the_same_prepare_again_is_no_second_vote() -> None:
    safety = rules(BACKUP)
    assert safety.prepare(A.header)
    assert not safety.prepare(A.header)
    record = safety.take()
    assert record is not None
    assert len(record.votes) == 1


def test_s2_no_second_digest_is_proposed() -> None:
    safety = rules(PRIMARY)
    safety.pre_prepare(A.header)
    with pytest.raises(Unsafe, match="S2 "):
        safety.pre_prepare(OTHER.header)


def test_s2_another_digest_may_be_prepared_in_another_view() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    enter(safety, 1)
    assert safety.prepare(OTHER.header)


def test_s2_the_same_commit_again_is_no_second_vote() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, A)
    assert not safety.commit(A.header)


def test_s2_no_second_certificate_of_one_view_is_held() -> None:
    safety = rules(BACKUP)
    safety.hold(FORGE.prepared(A.header))
    assert not safety.hold(FORGE.prepared(A.header, signers=[0, 3]))
    with pytest.raises(Unsafe, match="S5 "):
        safety.hold(FORGE.prepared(OTHER.header))


def test_s3_no_vote_against_the_choice_of_new_view() -> None:
    safety = rules(BACKUP)
    enter(safety, 1, FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)]))
    with pytest.raises(Unsafe, match="S3 "):
        safety.prepare(OTHER.header)


def test_s3_the_choice_itself_and_what_stands_above_all_choices_may_be_voted_for() -> None:
    safety = rules(BACKUP)
    enter(safety, 1, FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)]))
    assert safety.prepare(A.header)
    assert safety.prepare(B.header)


def test_s4_a_backup_does_not_propose() -> None:
    with pytest.raises(Unsafe, match="S4 "):
        rules(BACKUP).pre_prepare(A.header)


def test_s4_the_primary_does_not_prepare() -> None:
    with pytest.raises(Unsafe, match="S4 "):
        rules(PRIMARY).prepare(A.header)


def test_s4_follows_the_view() -> None:
    safety = rules(PRIMARY)
    enter(safety, 1)
    assert safety.prepare(A.header)


def test_s5_no_commit_without_a_prepared_certificate() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    with pytest.raises(Unsafe, match="S5 "):
        safety.commit(A.header)


def test_s5_no_commit_with_the_certificate_of_another_block() -> None:
    safety = rules(BACKUP)
    safety.hold(FORGE.prepared(A.header))
    with pytest.raises(Unsafe, match="S5 "):
        safety.commit(OTHER.header)


def test_s5_no_commit_with_the_certificate_of_an_earlier_view() -> None:
    safety = rules(BACKUP)
    safety.hold(FORGE.prepared(A.header, 0))
    enter(safety, 1)
    with pytest.raises(Unsafe, match="S5 "):
        safety.commit(A.header)


def test_s5_a_certificate_is_verified_before_it_counts() -> None:
    safety = rules(BACKUP)
    with pytest.raises(InvalidCertificate):
        safety.hold(FORGE.prepared(A.header, signers=[0]))
    with pytest.raises(Unsafe, match="S5 "):
        safety.commit(A.header)


def test_s5_the_primarys_own_prepare_completes_no_certificate() -> None:
    with pytest.raises(InvalidCertificate):
        rules(BACKUP).hold(FORGE.prepared(A.header, signers=[0, PRIMARY]))


def test_s6_no_commit_above_a_parent_that_is_not_committed() -> None:
    safety = rules(BACKUP)
    safety.hold(FORGE.prepared(B.header))
    with pytest.raises(Unsafe, match="S6 "):
        safety.commit(B.header)


def test_s6_a_commit_may_follow_the_commit_of_its_parent() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, A)
    safety.hold(FORGE.prepared(B.header))
    assert safety.commit(B.header)


def test_s6_a_commit_of_the_parent_in_an_earlier_view_is_not_enough() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, A)
    enter(safety, 1)
    safety.hold(FORGE.prepared(B.header, 1))
    with pytest.raises(Unsafe, match="S6 "):
        safety.commit(B.header)


def test_s6_a_commit_of_another_block_in_the_parents_place_is_not_enough() -> None:
    safety = rules(BACKUP)
    prepared_and_committed(safety, OTHER)
    safety.hold(FORGE.prepared(B.header))
    with pytest.raises(Unsafe, match="S6 "):
        safety.commit(B.header)


def test_s6_a_commit_may_follow_the_appended_parent() -> None:
    safety = above(A)
    safety.hold(FORGE.prepared(B.header))
    assert safety.commit(B.header)


def test_s6_an_appended_block_at_the_parents_height_must_be_the_parent() -> None:
    safety = above(OTHER)
    safety.hold(FORGE.prepared(B.header))
    with pytest.raises(Unsafe, match="S6 "):
        safety.commit(B.header)


@pytest.mark.parametrize("vote", ["prepare", "hold", "commit"])
def test_s7_no_vote_at_or_below_the_base(vote: str) -> None:
    safety = rules(BACKUP)
    enter(safety, 1, FORGE.view_changes(1, certificate=FORGE.certificate(B.header)))
    certificate = FORGE.prepared(B.header, 1)
    with pytest.raises(Unsafe, match="S7 "):
        getattr(safety, vote)(certificate if vote == "hold" else B.header)


def test_s7_no_vote_before_the_base_is_appended() -> None:
    safety = above(A)
    enter(safety, 1, FORGE.view_changes(1, certificate=FORGE.certificate(B.header)))
    with pytest.raises(Unsafe, match="S7 "):
        safety.prepare(C.header)


def test_s7_votes_go_on_once_the_base_is_appended() -> None:
    safety = above(A)
    enter(safety, 1, FORGE.view_changes(1, certificate=FORGE.certificate(B.header)))
    safety.appended(choice(B.header), FORGE.certificate(B.header))
    assert safety.prepare(C.header)


def test_s8_no_vote_at_an_appended_height() -> None:
    with pytest.raises(Unsafe, match="S8 "):
        above(A).prepare(A.header)


def test_s8_the_next_height_is_free() -> None:
    assert above(A).prepare(B.header)


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


@pytest.mark.parametrize("field", ["era", "validators"])
def test_s11_no_vote_for_a_block_of_another_era_or_set(field: str) -> None:
    change = {"era": Era(1)} if field == "era" else {"validators": sha256(b"the next set")}
    with pytest.raises(Unsafe, match="S11 "):
        rules(BACKUP).prepare(replace(A.header, **change))


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
