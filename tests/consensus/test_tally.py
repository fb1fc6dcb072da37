"""Votes are counted once for each validator and slot; only like votes of one view make a certificate."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.tally import VIEWS_BEHIND, Tally
from ledger.blocks import Block
from ledger.quantities import Height, View, faulty_max, quorum
from ledger.votes import VoteKind
from tests.consensus.forge import Forge

FORGE = Forge()
A, B = FORGE.chain(2)
OTHER = FORGE.block(FORGE.genesis, b"other")
PRIMARY = FORGE.primary(0)


def tally() -> Tally:
    return Tally(FORGE.context.era)


def add(votes: Tally, who: int, kind: VoteKind, block: Block, view: int = 0) -> bool:
    vote = FORGE.vote(kind, block.header, view)
    return votes.add(vote, FORGE.proof(who, vote), primary=FORGE.primary(view))


def test_a_quorum_of_commits_makes_a_certificate_that_verifies() -> None:
    votes = tally()
    for who in (3, 0, 2):
        add(votes, who, VoteKind.COMMIT, A)
    certificate = votes.committed(quorum=FORGE.quorum)
    assert certificate is not None
    certificate.verify_for(A.header, FORGE.context.validators, chain_id=FORGE.context.chain_id)


def test_one_commit_fewer_makes_none() -> None:
    votes = tally()
    for who in (0, 2):
        add(votes, who, VoteKind.COMMIT, A)
        add(votes, who, VoteKind.COMMIT, A)
    assert votes.committed(quorum=FORGE.quorum) is None


def test_commits_of_two_views_make_no_certificate() -> None:
    votes = tally()
    for who, view in ((0, 0), (1, 0), (2, 1), (3, 1)):
        add(votes, who, VoteKind.COMMIT, A, view)
    assert votes.committed(quorum=FORGE.quorum) is None


def test_b18_commits_for_another_block_do_not_count() -> None:
    votes = tally()
    for who, block in ((0, A), (1, A), (2, OTHER), (3, OTHER)):
        add(votes, who, VoteKind.COMMIT, block)
    assert votes.committed(quorum=FORGE.quorum) is None


def test_b18_too_many_commits_beside_one_for_another_block_still_make_a_certificate() -> None:
    votes = tally()
    for who, block in ((0, OTHER), (1, A), (2, A), (3, A)):
        add(votes, who, VoteKind.COMMIT, block)
    certificate = votes.committed(quorum=FORGE.quorum)
    assert certificate is not None
    assert [proof.validator for proof in certificate.commits] == [1, 2, 3]


def test_the_greatest_certified_height_is_found_and_the_next_lower_one() -> None:
    votes = tally()
    for who in (0, 1, 2):
        for block in (A, B):
            add(votes, who, VoteKind.COMMIT, block)
    highest = votes.committed(quorum=FORGE.quorum)
    lower = votes.committed(quorum=FORGE.quorum, below=Height(2))
    assert highest is not None
    assert lower is not None
    assert (highest.height, lower.height) == (2, 1)


def test_prepared_needs_the_pre_prepare_and_the_backups() -> None:
    votes = tally()
    add(votes, 0, VoteKind.PREPARE, A)
    add(votes, 2, VoteKind.PREPARE, A)
    assert votes.prepared(View(0), A.header, quorum=FORGE.quorum) is None
    add(votes, PRIMARY, VoteKind.PRE_PREPARE, A)
    certificate = votes.prepared(View(0), A.header, quorum=FORGE.quorum)
    assert certificate is not None
    certificate.verify(FORGE.context.validators, primary=PRIMARY, chain_id=FORGE.context.chain_id)


def test_the_primarys_own_prepare_does_not_count() -> None:
    votes = tally()
    add(votes, PRIMARY, VoteKind.PRE_PREPARE, A)
    add(votes, 0, VoteKind.PREPARE, A)
    assert not add(votes, PRIMARY, VoteKind.PREPARE, A)
    assert votes.prepared(View(0), A.header, quorum=FORGE.quorum) is None


def test_prepares_under_the_pre_prepare_of_another_block_do_not_count() -> None:
    votes = tally()
    add(votes, PRIMARY, VoteKind.PRE_PREPARE, OTHER)
    add(votes, 0, VoteKind.PREPARE, A)
    add(votes, 2, VoteKind.PREPARE, A)
    assert votes.prepared(View(0), A.header, quorum=FORGE.quorum) is None


def test_a_backups_pre_prepare_does_not_count() -> None:
    votes = tally()
    assert not add(votes, 0, VoteKind.PRE_PREPARE, A)
    assert votes.pre_prepare(View(0), Height(1)) is None


def test_prepares_for_another_block_do_not_count() -> None:
    votes = tally()
    add(votes, PRIMARY, VoteKind.PRE_PREPARE, A)
    add(votes, 0, VoteKind.PREPARE, A)
    add(votes, 2, VoteKind.PREPARE, OTHER)
    assert votes.prepared(View(0), A.header, quorum=FORGE.quorum) is None


@pytest.mark.parametrize("kind", list(VoteKind))
def test_a_second_digest_in_one_slot_is_not_counted(kind: VoteKind) -> None:
    votes = tally()
    who = PRIMARY if kind is VoteKind.PRE_PREPARE else 0
    assert add(votes, who, kind, A)
    assert not add(votes, who, kind, OTHER)


def test_what_was_appended_and_what_is_long_past_is_forgotten() -> None:
    votes = tally()
    for view in (0, 1):
        for block in (A, B):
            add(votes, 0, VoteKind.COMMIT, block, view)
    votes.prune(head=Height(1), view=View(VIEWS_BEHIND + 1))
    assert list(votes._slots) == [(1, 2)]


def test_b2_any_two_quorums_share_more_than_the_faulty() -> None:
    for size in range(4, 26):
        assert 2 * quorum(size) - size >= (size - 1) // 3 + 1, size
        assert quorum(size) <= size - (size - 1) // 3, size


@pytest.mark.parametrize("size", range(4, 10))
def test_b2_every_pair_of_quorums_that_the_tally_certifies_shares_an_honest_validator(size: int) -> None:
    needed = Forge(size).quorum
    for first in combinations(range(size), needed):
        others = [who for who in range(size) if who not in first]
        fewest = needed - len(others)  # of those that any other quorum must share with it
        assert fewest > (size - 1) // 3


@settings(deadline=None, max_examples=300)
@given(size=st.integers(4, 25), data=st.data())
def test_b2_drawn_quorums_and_prepared_sets_share_an_honest_validator(size: int, data: st.DataObject) -> None:
    """A prepared set is the primary and q-1 backups, so those of two views meet as quorums do."""
    shapes = []
    for _ in range(2):
        order = data.draw(st.permutations(range(size)))
        primary, backups = order[0], order[1:]
        shapes.append({"committed": set(order[: quorum(size)]), "prepared": {primary, *backups[: quorum(size) - 1]}})
    for first in shapes[0].values():
        for second in shapes[1].values():
            assert len(first & second) > faulty_max(size)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 1)), max_size=16))
def test_a_certificate_appears_exactly_when_a_quorum_votes_alike_first(votes: list[tuple[int, int, int]]) -> None:
    counted = tally()
    first: dict[tuple[int, int], int] = {}
    for who, view, block in votes:
        add(counted, who, VoteKind.COMMIT, (A, OTHER)[block], view)
        first.setdefault((who, view), block)
    expected = any(
        sum(first.get((who, view)) == block for who in range(4)) >= FORGE.quorum for view in (0, 1) for block in (0, 1)
    )
    assert (counted.committed(quorum=FORGE.quorum) is not None) is expected
