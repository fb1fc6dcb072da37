"""Rules S1 to S8 and S11 of `consensus.safety_rules`: what each refuses, and the near miss that it lets pass."""

import pytest
from msgspec.structs import replace

from consensus.errors import Unsafe
from ledger.errors import InvalidCertificate
from ledger.hashing import sha256
from ledger.quantities import Era, View
from tests.consensus.forge import choice
from tests.consensus.rules import (
    BACKUP,
    FORGE,
    OTHER,
    PRIMARY,
    A,
    B,
    C,
    above,
    enter,
    prepared_and_committed,
    rules,
)


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


@pytest.mark.parametrize("vote", ["prepare", "hold"])
@pytest.mark.parametrize("field", ["era", "validators"])
def test_s11_no_vote_for_a_block_of_another_era_or_set(field: str, vote: str) -> None:
    change = {"era": Era(1)} if field == "era" else {"validators": sha256(b"the next set")}
    header = replace(A.header, **change)
    with pytest.raises(Unsafe, match="S11 "):
        getattr(rules(BACKUP), vote)(FORGE.prepared(header) if vote == "hold" else header)


def test_s2_no_other_digest_is_committed_than_was_prepared() -> None:
    safety = rules(BACKUP)
    safety.prepare(A.header)
    safety.hold(FORGE.prepared(OTHER.header))
    with pytest.raises(Unsafe, match="S2 COMMIT"):
        safety.commit(OTHER.header)


def test_s2_no_other_digest_is_prepared_than_was_committed() -> None:
    safety = rules(BACKUP)
    safety.hold(FORGE.prepared(OTHER.header))
    assert safety.commit(OTHER.header)
    with pytest.raises(Unsafe, match="S2 PREPARE"):
        safety.prepare(A.header)
