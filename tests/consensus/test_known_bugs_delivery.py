"""Bugs that hit others in what is delivered, to whom, and on which evidence: B3, B9, B14, B17, B27."""

import random
from contextlib import suppress
from itertools import combinations, permutations

import pytest
from msgspec.structs import replace

from consensus.errors import ProtocolViolation
from consensus.messages import Blocks, FetchBlocks, Finality, Message, NewView, Status, Votes
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.errors import VerificationFailed
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster, Flight
from tests.consensus.forge import Forge
from tests.simulation.toy import ToyApplication
from tests.simulation.world import World

FORGE = Forge()
CHAIN = FORGE.chain(4)


def finalises(message: Message) -> bool:
    """Return whether a message may complete a commit certificate."""
    commits = isinstance(message, Votes) and any(vote.kind is VoteKind.COMMIT for vote in message.bundle.votes)
    return commits or isinstance(message, Finality | Blocks | NewView)


@pytest.mark.parametrize(("size", "silent"), [(4, []), (7, [5])])
def test_b3_a_primary_that_starves_some_and_a_silent_validator_block_no_caller(size: int, silent: list[int]) -> None:
    """Others block callers that need the same answer from 2f+1 replicas; here one certificate is enough, and it comes.

    The primary decides with a quorum and never says a word to the others, who alone have the caller's attention.
    """
    world = World(size=size, seed=3)
    faulty = world.context.validators.faulty_max
    starved = [who for who in (3, 4) if who not in silent][:faulty]
    world.cut_links = {(ValidatorId(1), ValidatorId(who)) for who in starved}
    world.start_all()
    for who in silent:
        world.silence(world.nodes[who])
    items = [f"item {number}".encode() for number in range(10)]
    for number, item in enumerate(items):
        for node in world.nodes:
            world.at(number * 0.5, world.submit, node, item)

    def answered() -> bool:
        applications = [world.nodes[who].application for who in starved]
        return all(isinstance(toy, ToyApplication) and toy.decided >= set(items) for toy in applications)

    assert world.run(30.0, done=answered)


class Recorded(Cluster):
    """A cluster that remembers what was said, to say it again."""

    def __init__(self) -> None:
        super().__init__()
        self.past: list[Flight] = []

    def take(self, wanted: object) -> list[Flight]:
        taken = super().take(wanted)  # type: ignore[arg-type]
        self.past += taken
        return taken


@pytest.mark.parametrize("seed", range(4))
def test_b9_everything_said_again_in_any_order_shortens_no_chain_and_changes_no_vote(seed: int) -> None:
    """Others cut logs at entries that were equal, or already applied, when a message came twice."""
    chance = random.Random(seed)
    cluster = Recorded()
    for number in range(4):
        cluster.submit(f"item {number}".encode())
        if number == 2:
            cluster.tick(1.0)  # a view change, so that two views' messages come again
        assert cluster.finish()
        heads = {bench.id: bench.height for bench in cluster.up}
        records = {bench.id: list(bench.records) for bench in cluster.up}
        votes = {bench.id: [bench.votes(kind) for kind in VoteKind] for bench in cluster.up}
        again = list(cluster.past)
        chance.shuffle(again)
        cluster.flying += again
        cluster.settle()
        for bench in cluster.up:
            assert bench.height == heads[bench.id]
            assert bench.records[: len(records[bench.id])] == records[bench.id]
            assert [bench.votes(kind) for kind in VoteKind] == votes[bench.id]
    cluster.chain()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_b14_answers_that_come_out_of_order_are_no_reason_to_stall(order: tuple[int, ...]) -> None:
    """A new validator without any block asks; three peers answer with other parts of the chain, in any order."""
    bench = Bench(FORGE, 0)
    answers = [CHAIN[:2], CHAIN[1:3], CHAIN[2:]]
    for peer in (1, 2, 3):
        bench.receive(peer, Status(era=Era(0), view=View(0), head=Height(4)))
        bench.tick(0.3)
    for place in order:
        with suppress(ProtocolViolation):  # what does not follow the head is of no use, and is asked for again
            bench.receive(place + 1, Blocks(blocks=tuple(FORGE.certified(block) for block in answers[place])))
    for _ in range(4):
        before = len(bench.sent)
        bench.tick(1.0)
        for send in bench.sent[before:]:
            if isinstance(send.message, FetchBlocks) and send.to is not None:
                rest = CHAIN[send.message.start - 1 :]
                bench.receive(send.to, Blocks(blocks=tuple(FORGE.certified(block) for block in rest)))
    assert [certified.block for certified in bench.chain] == CHAIN


def test_b14_certificates_that_come_from_the_highest_down_finalise_everything() -> None:
    bench = Bench(Forge(4, 4), 0)
    chain = bench.forge.chain(4)
    for block in chain:
        bench.propose(block)
    for block in reversed(chain):
        bench.receive(2, Finality(certificate=bench.forge.certificate(block.header)))
    assert [certified.block for certified in bench.chain] == chain


@pytest.mark.parametrize("signers", list(combinations(range(4), 3)))
@pytest.mark.parametrize("view", [0, 1])
def test_b17_nothing_but_finality_depends_on_which_certificate_a_replica_holds(
    signers: tuple[int, ...], view: int
) -> None:
    """Others took time from a part of the votes that their check did not cover; here it stands in the header."""
    first, second = Bench(FORGE, 0), Bench(FORGE, 0)
    certificate = FORGE.certificate(CHAIN[0].header, view, signers=signers)
    first.propose(CHAIN[0])
    second.propose(CHAIN[0])
    first.receive(1, Finality(certificate=FORGE.certificate(CHAIN[0].header)))
    second.receive(1, Finality(certificate=certificate))
    assert [one.block for one in first.chain] == [one.block for one in second.chain]
    assert first.engine.head.time == second.engine.head.time
    assert first.application.head.state_root == second.application.head.state_root


def spoiled(how: str) -> CommitCertificate:
    """Return a certificate for the first block that is wrong in one way."""
    good, other = FORGE.certificate(CHAIN[0].header), FORGE.certificate(CHAIN[0].header, 1)
    commits = good.commits
    return {
        "signer twice": replace(good, commits=(commits[0], commits[1], commits[1])),
        "one short": replace(good, commits=commits[:2]),
        "one too many": FORGE.certificate(CHAIN[0].header, signers=[0, 1, 2, 3]),
        "not in order": replace(good, commits=commits[::-1]),
        "mixed views": replace(good, commits=(*commits[:2], other.commits[2])),
        "other view": replace(good, view=View(5)),
        "other height": replace(good, height=Height(2)),
        "last one unsigned": replace(good, commits=(*commits[:2], replace(commits[2], signature=bytes(64)))),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "signer twice",
        "one short",
        "one too many",
        "not in order",
        "mixed views",
        "other view",
        "other height",
        "last one unsigned",
    ],
)
def test_b17_whoever_reads_a_certificate_refuses_the_same_ones(how: str) -> None:
    bad = spoiled(how)
    with pytest.raises(VerificationFailed):
        bad.verify_for(CHAIN[0].header, FORGE.context.validators, chain_id=FORGE.context.chain_id)
    bench = Bench(FORGE, 0)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(4)))
    bench.propose(CHAIN[0])
    readers: list[Message] = [
        Finality(certificate=bad),
        Blocks(blocks=(CertifiedBlock(block=CHAIN[0], certificate=bad),)),
        FORGE.view_change(1, 1, certificate=bad),
    ]
    for message in readers:
        with pytest.raises(ProtocolViolation):
            bench.receive(1, message)
    assert bench.height == 0


def test_b27_nothing_is_delivered_before_a_commit_certificate() -> None:
    """There is no speculative or tentative execution: what is prepared by everybody is still nobody's answer."""
    cluster = Cluster()
    cluster.submit(b"item")
    while wanted := [flight for flight in cluster.flying if not finalises(flight[2])]:
        cluster.deliver(lambda flight: flight in wanted)
    prepared = [bench.id for bench in cluster.up if bench.votes(VoteKind.COMMIT)]
    assert prepared == list(cluster.forge.ids), "everybody has prepared and committed"
    for bench in cluster.up:
        assert bench.height == 0
        assert not bench.application.decided
    cluster.settle()
    for bench in cluster.up:
        certified = bench.chain[0]
        assert certified.certificate is not None
        certified.certificate.verify_for(
            certified.block.header, cluster.forge.context.validators, chain_id=cluster.forge.context.chain_id
        )


def test_b11_a_replica_that_was_paused_for_long_takes_bounded_room_and_catches_up() -> None:
    """It wakes up to everything that was said meanwhile, in one heap; what lies far above its head is let go."""
    cluster = Cluster()
    asleep = ValidatorId(3)
    heap: list[Flight] = []
    for number in range(120):
        cluster.submit(f"item {number}".encode(), to=[ValidatorId(who) for who in (0, 1, 2)])
        while cluster.flying:
            heap += cluster.take(lambda flight: flight[1] == asleep)
            cluster.deliver()
    sleeper = cluster.benches[asleep]
    assert cluster.benches[ValidatorId(0)].height >= 100
    assert sleeper.height == 0
    for sender, _, message in reversed(heap):  # the worst order: what is of use comes last
        sleeper.receive(sender, message)
    replica = sleeper.engine._replica
    assert len(replica.tally._slots) <= 2
    assert sum(map(len, replica.bodies._early.values())) <= 3 * 2
    cluster.submit(b"last item")
    assert cluster.finish()
    assert sleeper.height == cluster.benches[ValidatorId(0)].height
