"""Histories over several views in a window of four, each of which forks a chain as soon as one rule is left out.

They need votes of four views in just the wrong order, which random search does not find (CONSENSUS.md, view change).
Validators 0, 2 and 3 are honest and real; validator 1 is Byzantine and speaks through the forge.
"""

import pytest

from consensus import new_view
from consensus.errors import Unsafe
from consensus.messages import Choice, Complaint, Message, Votes
from consensus.safety_rules import SafetyRules
from ledger.certificates import CommitCertificate
from ledger.errors import InvalidCertificate
from ledger.quantities import ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge, choice

FORGE = Forge(window=4)
A, B, C, _ = FORGE.chain(4)
X, Y, _, _ = FORGE.chain(4, name="other")


def rules(who: int = 0) -> SafetyRules:
    return SafetyRules(
        context=FORGE.context, validator=ValidatorId(who), key=FORGE.key(who), head=FORGE.context.root, certificate=None
    )


def test_mixed_views_commits_of_two_views_for_one_block_certify_nothing() -> None:
    """View 0 prepares A; a quorum commits to it, but never three of them in one view.

    A certificate mixed of views 0 and 2 would finalise A although view 1 had a right to choose X in between, and view 3
    then carries X on.
    """
    bench = Bench(FORGE, 2)
    bench.propose(A)
    bench.receive(1, FORGE.commit(1, A.header, view=0))
    bench.receive(0, FORGE.commit(0, A.header, view=0))
    bench.receive(3, FORGE.commit(3, A.header, view=2))
    bench.receive(1, FORGE.commit(1, A.header, view=2))
    assert bench.height == 0
    mixed = CommitCertificate(
        era=A.header.era,
        view=View(0),
        height=A.header.height,
        digest=A.digest,
        commits=(
            FORGE.proof(0, FORGE.vote(VoteKind.COMMIT, A.header, 0)),
            FORGE.proof(1, FORGE.vote(VoteKind.COMMIT, A.header, 0)),
            FORGE.proof(3, FORGE.vote(VoteKind.COMMIT, A.header, 2)),
        ),
    )
    with pytest.raises(InvalidCertificate):
        mixed.verify(FORGE.context.validators, chain_id=FORGE.context.chain_id)


def test_prefix_from_another_view_a_commit_of_the_parent_in_an_earlier_view_carries_no_child() -> None:
    """0 commits to A in view 0. View 1 chooses nothing and prepares X; view 2 again prepares A and B.

    If the commit of A in view 0 let 0 commit to B in view 2, a certificate for B could stand in view 2 while A was
    committed by no quorum of any one view, and X of view 1 could still win at height 1.
    """
    safety = rules()
    safety.prepare(A.header)
    safety.hold(FORGE.prepared(A.header, 0))
    safety.commit(A.header)
    for view in (1, 2):
        changes = FORGE.view_changes(view)
        safety.enter(FORGE.new_view(changes), changes)
    safety.hold(FORGE.prepared(B.header, 2))
    with pytest.raises(Unsafe, match="S6 "):
        safety.commit(B.header)
    safety.hold(FORGE.prepared(A.header, 2))
    safety.commit(A.header)
    assert safety.commit(B.header)


def test_commit_without_the_prefix_would_lose_a_decided_block() -> None:
    """B is prepared in view 0 before A is: no honest replica commits to it, so no certificate for B can stand."""
    bench = Bench(FORGE, 0)
    for block in (A, B):
        bench.propose(block)
    bench.prepare_by([2, 3], B)
    assert not bench.votes(VoteKind.COMMIT)
    bench.prepare_by([2], A)
    assert [vote.digest for vote in bench.votes(VoteKind.COMMIT)] == [A.digest, B.digest]


def test_a_block_above_a_gap_is_not_kept_even_if_its_view_is_the_highest() -> None:
    """View 0 prepares A and B at one replica; view 1 prepares X; the choices of view 2 must be X and end there.

    Keeping B, whose parent A was not chosen, would put it on a parent that it does not name.
    """
    changes = [
        FORGE.view_change(0, 3, prepared=[FORGE.prepared(B.header, 2)]),
        FORGE.view_change(2, 3, prepared=[FORGE.prepared(X.header, 1)]),
        FORGE.view_change(3, 3),
    ]
    assert new_view.choose(FORGE.context, changes).choices == (choice(X.header),)


def test_the_tip_of_the_highest_view_does_not_win_by_its_height() -> None:
    """The tip by (view, height) would be Y of view 2; the walk starts at the base and takes each height in turn."""
    changes = [
        FORGE.view_change(0, 3, prepared=[FORGE.prepared(A.header, 1), FORGE.prepared(Y.header, 2)]),
        FORGE.view_change(2, 3, prepared=[FORGE.prepared(A.header, 1), FORGE.prepared(B.header, 1)]),
        FORGE.view_change(3, 3),
    ]
    assert new_view.choose(FORGE.context, changes).choices == (choice(A.header),)


def test_a_vote_at_the_base_would_let_an_old_height_be_decided_again() -> None:
    """The base of view 2 is A, certified in view 0; nobody prepares another block at its height in view 2."""
    bench = Bench(FORGE, 0)
    changes = [FORGE.view_change(who, 2, certificate=FORGE.certificate(A.header)) for who in (1, 2, 3)]
    bench.receive(3, FORGE.new_view(changes), *changes)
    bench.propose(FORGE.block(FORGE.genesis, b"x", proposer=3), view=2)
    assert not bench.votes(VoteKind.PREPARE)


def test_four_views_a_decided_block_is_chosen_by_every_later_view() -> None:
    """A is committed in view 0 by 0, 2 and 3, and appended by 3 alone; views 1 and 2 fail; view 3 must choose A.

    Every quorum of the view changes for view 3 holds one of 0, 2 and 3 that shows A, whatever the Byzantine one shows.
    """
    held = FORGE.prepared(A.header, 0)
    byzantine = [
        FORGE.view_change(1, 3),
        FORGE.view_change(1, 3, prepared=[held]),
    ]
    shown = {0: FORGE.view_change(0, 3, prepared=[held]), 2: FORGE.view_change(2, 3, prepared=[held])}
    appended = FORGE.view_change(3, 3, certificate=FORGE.certificate(A.header, signers=[0, 2, 3]))
    for lie in byzantine:
        for others in ([shown[0], shown[2]], [shown[0], appended], [shown[2], appended]):
            start = new_view.choose(FORGE.context, [lie, *others])
            assert choice(A.header) in {start.base, *start.choices}


def test_a_certificate_of_a_height_finalises_what_is_below_although_that_has_none() -> None:
    """With "next height only" a replica got stuck: the certificate of A need not exist anywhere."""
    bench = Bench(FORGE, 0)
    for block in (A, B, C):
        bench.propose(block)
    bench.commit_by([1, 2, 3], C)
    assert bench.height == 3


def test_the_root_is_the_base_of_the_first_view() -> None:
    start = rules().start
    assert start is not None
    assert start.base == Choice(height=FORGE.genesis.height, digest=FORGE.genesis.digest)


def test_the_highest_view_wins_over_what_a_replica_holds_that_was_cut_off() -> None:
    """0 alone holds A prepared in view 0. View 1 decides another block, which 1 alone appends; then 1 is gone.

    The view changes for view 2 show A of view 0 and the other block of view 1: only the latter may be chosen.
    """
    cluster = Cluster()
    cluster.submit(b"item")
    cluster.deliver()
    cluster.deliver(lambda flight: flight[1] == 0)  # the prepares
    cluster.flying.clear()
    cluster.cut = {ValidatorId(0)}
    cluster.tick(1.0)
    cluster.deliver(lambda flight: isinstance(flight[2], Complaint))
    cluster.flying.clear()
    cluster.tick(0.0)
    while not any(is_commit(message) for _, _, message in cluster.flying):
        cluster.deliver()
    cluster.deliver(lambda flight: flight[1] == 1)
    cluster.flying.clear()
    (decided,) = cluster.benches[ValidatorId(1)].chain
    assert decided.block.header.proposer == 2
    cluster.cut, cluster.down = set(), {ValidatorId(1)}
    cluster.tick(2.0)
    cluster.deliver(lambda flight: isinstance(flight[2], Complaint))
    cluster.flying.clear()
    cluster.tick(0.0)
    assert cluster.finish()
    assert cluster.chain() == [decided.block]


def is_commit(message: Message) -> bool:
    return isinstance(message, Votes) and any(vote.kind is VoteKind.COMMIT for vote in message.bundle.votes)
