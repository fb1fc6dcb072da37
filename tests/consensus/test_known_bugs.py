"""Bugs that hit others, by their row in the list that the project keeps, each provoked here on purpose.

Rows that are a module's own business are tested there: B2 and B18 in `test_tally`, B4 in `test_new_view`, B5 in
`test_new_view_refusals`, B10 and B15 in `test_catch_up`, B16 in `test_fuzz`.
"""

from itertools import combinations

import pytest

from consensus.errors import ProtocolViolation
from consensus.messages import Blocks, Finality, Message, Proposal, Status, ViewChange, Votes
from ledger.hashing import sha256
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import VoteBundle, VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster, Flight
from tests.consensus.forge import Forge

FORGE = Forge()
A, B = FORGE.chain(2)
EVERYBODY = FORGE.ids
SUBSETS = [frozenset(subset) for size in range(5) for subset in combinations(EVERYBODY, size)]


def has(message: Message, kind: VoteKind) -> bool:
    return isinstance(message, Votes) and any(vote.kind is kind for vote in message.bundle.votes)


def up_to(cluster: Cluster, kind: VoteKind) -> None:
    """Deliver until votes of a kind are in flight."""
    while not any(has(message, kind) for _, _, message in cluster.flying):
        cluster.deliver()


@pytest.mark.parametrize("lucky", EVERYBODY)
def test_b1_a_block_that_one_replica_alone_has_appended_survives_the_view_change(lucky: ValidatorId) -> None:
    cluster = Cluster()
    cluster.submit(b"item")
    up_to(cluster, VoteKind.COMMIT)
    cluster.deliver(lambda flight: flight[1] == lucky)
    cluster.flying.clear()
    (appended,) = cluster.benches[lucky].chain
    cluster.down = {lucky}
    cluster.submit(b"another item")
    cluster.tick(1.0)
    assert cluster.finish()
    assert cluster.chain()[0] == appended.block


@pytest.mark.parametrize("phase", range(5))
def test_b6_all_processes_killed_in_any_phase_go_on_and_contradict_nothing(phase: int) -> None:
    cluster = Cluster()
    cluster.submit(b"item")
    for _ in range(phase):
        cluster.deliver()
    cluster.flying.clear()
    for who in EVERYBODY:
        cluster.restart(who)
    cluster.submit(b"item")
    assert cluster.finish()
    for bench in cluster.benches.values():
        for kind in VoteKind:
            places = [(vote.view, vote.height) for vote in bench.votes(kind)]
            assert len(places) == len(set(places))


@pytest.mark.parametrize("killed", SUBSETS)
def test_b7_prepared_certificates_survive_a_restart_right_before_the_view_change(
    killed: frozenset[ValidatorId],
) -> None:
    cluster = Cluster()
    cluster.submit(b"item")
    up_to(cluster, VoteKind.COMMIT)
    cluster.deliver(lambda flight: flight[1] == 1)  # the primary alone appends
    cluster.flying.clear()
    for who in killed - {1}:
        cluster.restart(who)
    cluster.down = {ValidatorId(1)}
    cluster.submit(b"another item")
    cluster.tick(1.0)
    assert cluster.finish()
    assert cluster.chain()[0] == cluster.benches[ValidatorId(1)].chain[0].block


@pytest.mark.parametrize("lonely", EVERYBODY)
def test_b12_a_replica_that_was_alone_for_long_holds_up_nobody_and_catches_up(lonely: ValidatorId) -> None:
    cluster = Cluster()
    cluster.cut = {lonely}
    for number in range(5):
        cluster.submit(f"item {number}".encode())
        for _ in range(8):
            cluster.settle()
            cluster.tick(0.4)
    views = {bench.engine.view for bench in cluster.up}
    cluster.cut = set()
    cluster.submit(b"last item")
    assert cluster.finish()
    assert max(bench.engine.view for bench in cluster.up) <= max(views) + 1


@pytest.mark.parametrize("phase", range(5))
@pytest.mark.parametrize("impatient", [subset for subset in SUBSETS if len(subset) >= 2])
def test_b13_a_view_change_in_any_phase_ends_in_a_view_that_decides(
    phase: int, impatient: frozenset[ValidatorId]
) -> None:
    cluster = Cluster()
    cluster.submit(b"item", b"another item")
    for _ in range(phase):
        cluster.deliver()
    cluster.tick(1.0, impatient)
    assert cluster.finish()
    decided = [item for block in cluster.chain() for item in block.transactions]
    assert sorted(decided) == [b"another item", b"item"]


def test_b19_decided_and_given_up_at_the_same_moment() -> None:
    """The deciding commits wait in the same turn in which the timer expires."""
    bench = Bench(FORGE, 0)
    bench.submit(A.transactions[0])
    bench.propose(A)
    bench.now += 1.0
    effects = bench.engine.receive(ValidatorId(2), FORGE.prepare(2, A.header), bench.moment)
    for who in (1, 2, 3):
        effects.merge(bench.engine.receive(ValidatorId(who), FORGE.commit(who, A.header), bench.moment))
    effects.merge(bench.engine.tick(bench.moment))
    bench._carry_out(effects)
    assert bench.height == 1
    assert not bench.of_kind(ViewChange)
    assert effects.timer_at is not None
    bench.tick()
    assert bench.engine.view == 0


def test_b19_a_block_that_comes_by_votes_and_by_catch_up_is_appended_once() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(9)))
    bench.propose(A)
    bench.commit_by([1, 2, 3], A)
    bench.receive(1, Blocks(blocks=(FORGE.certified(A), FORGE.certified(B))))
    bench.commit_by([1, 2, 3], A)
    bench.receive(2, Finality(certificate=FORGE.certificate(A.header)))
    assert [certified.block for certified in bench.chain] == [A, B]


def test_b20_no_vote_in_the_view_that_was_left_when_catch_up_ends() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(9)))
    bench.receive(1, Proposal(block=B), FORGE.pre_prepare(B.header))
    for who in (2, 3):
        bench.receive(who, FORGE.view_change(who, 1))
    assert bench.engine.view == 1
    bench.receive(1, Blocks(blocks=(FORGE.certified(A),)))
    bench.prepare_by([2, 3], B)
    assert bench.height == 1
    assert not bench.of_kind(Votes)


def test_b20_a_view_entered_during_catch_up_is_voted_in_only_above_its_base() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(9)))
    changes = [FORGE.view_change(who, 1, certificate=FORGE.certificate(B.header)) for who in (1, 2, 3)]
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.propose(A, view=1)
    bench.receive(1, Blocks(blocks=(FORGE.certified(A),)))
    assert bench.height == 1
    assert not bench.of_kind(Votes)


def test_b18_votes_of_another_chain_are_refused() -> None:
    bench = Bench(FORGE, 0)
    vote = FORGE.vote(VoteKind.COMMIT, A.header)
    bundle = VoteBundle.sign((vote,), validator=ValidatorId(2), key=FORGE.key(2), chain_id=sha256(b"another chain"))
    with pytest.raises(ProtocolViolation):
        bench.receive(2, Votes(bundle=bundle))


@pytest.mark.parametrize("given_up", SUBSETS)
@pytest.mark.parametrize("informed", SUBSETS)
def test_b25_commits_reach_some_and_others_give_up(
    informed: frozenset[ValidatorId], given_up: frozenset[ValidatorId]
) -> None:
    """All 256 ways in which four correct replicas part: who hears the commits of view 0, who has left it by then."""
    cluster = Cluster()
    cluster.submit(b"item")
    up_to(cluster, VoteKind.COMMIT)
    cluster.tick(1.0, given_up)
    cluster.deliver(lambda flight: has(flight[2], VoteKind.COMMIT) and flight[1] in informed)
    cluster.take(lambda flight: has(flight[2], VoteKind.COMMIT))
    cluster.submit(b"another item")
    assert cluster.finish()
    assert len(cluster.chain()) == 2


@pytest.mark.parametrize("prepared", SUBSETS)
def test_b25_prepares_reach_some_and_the_view_fails_twice(prepared: frozenset[ValidatorId]) -> None:
    """Three views: some hold a certificate of view 0, the primary of view 1 is silent, view 2 decides."""
    cluster = Cluster()

    def to_prepared(flight: Flight) -> bool:
        return flight[1] in prepared or not has(flight[2], VoteKind.PREPARE)

    cluster.submit(b"item")
    up_to(cluster, VoteKind.PREPARE)
    cluster.deliver(to_prepared)
    cluster.flying.clear()
    cluster.cut = {cluster.forge.primary(1)}
    cluster.tick(1.0)
    cluster.settle()
    cluster.tick(2.0)
    cluster.settle()
    cluster.cut = set()
    assert cluster.finish()
    assert len(cluster.chain()) == 1
