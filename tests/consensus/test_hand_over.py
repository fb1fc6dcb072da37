"""From one era to the next: early and late messages, rotated keys, who joins and who leaves, crashes in between."""

import pytest
from msgspec.structs import replace

from consensus import eras
from consensus.engine import Engine
from consensus.eras import LATER_EXTRA
from consensus.errors import ProtocolViolation
from consensus.learner import Learner
from consensus.messages import Accusation, Blocks, FetchBlocks, FetchBody, Finality, Proposal, Status, ViewChange, Votes
from consensus.new_view import verify_view_change
from consensus.records import CutRecord, decode_record, era_of
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.encoding import encode
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind
from tests.consensus.bench import TIMING, Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge
from tests.simulation.bounds import sizes
from tests.simulation.chain import vote_key

FORGE = Forge()
BOUNDARY = FORGE.block(FORGE.genesis, b"~2")


def next_block(item: bytes = b"x") -> Block:
    """Return the first block of the next era, by its primary: set[(2 + 0) mod 4]."""
    return FORGE.block(BOUNDARY.header, item, proposer=2)


def next_vote(kind: VoteKind, block: Block, who: int) -> Votes:
    """Return a vote of the next era, in which validator 2 has a new key."""
    vote = Vote(kind=kind, era=Era(1), view=View(0), height=block.header.height, digest=block.digest)
    key = vote_key(who, 1 if who == 2 else 0)
    chain = FORGE.context.chain_id
    return Votes(bundle=VoteBundle.sign((vote,), validator=ValidatorId(who), key=key, chain_id=chain))


def over(bench: Bench) -> Bench:
    """Let the era end at a bench."""
    bench.propose(BOUNDARY)
    bench.commit_by([1, 2, 3], BOUNDARY)
    assert (bench.height, bench.engine.head.digest) == (1, BOUNDARY.digest)
    return bench


def test_a_vote_under_a_rotated_key_waits_for_its_era() -> None:
    bench = Bench(FORGE, 0)
    first = next_block()
    bench.application.submit(b"x")
    bench.receive(2, next_vote(VoteKind.PRE_PREPARE, first, 2))
    assert len(bench.engine.later) == 1
    over(bench)
    assert not bench.engine.later
    assert [message.digest for message in bench.of_kind(FetchBody)] == [first.digest]


def test_what_waits_is_bounded_by_sender_and_only_of_the_next_era() -> None:
    bench = Bench(FORGE, 0)
    for _ in range(3 * LATER_EXTRA):
        bench.receive(1, next_vote(VoteKind.PREPARE, next_block(), 1))
    assert len(bench.engine.later) == 4 + LATER_EXTRA
    bench.receive(1, Finality(certificate=_of_era(2)))
    assert len(bench.engine.later) == 4 + LATER_EXTRA


@pytest.mark.parametrize("who", [0, 9], ids=["engine", "learner"])
def test_heartbeats_push_no_vote_out_of_what_waits_nor_votes_a_heartbeat(who: int) -> None:
    bench = Bench(FORGE, who)
    votes = [next_vote(VoteKind.PREPARE, next_block(b"%d" % number), 1) for number in range(4 + LATER_EXTRA)]
    bench.receive(1, *votes)
    for head in range(3 * LATER_EXTRA):
        bench.receive(1, Status(era=Era(1), view=View(0), head=Height(head), sent=1))
    newest = Status(era=Era(1), view=View(0), head=Height(3 * LATER_EXTRA - 1))
    assert [message for _, message in bench.machine.later] == [*votes, newest]
    more = [next_vote(VoteKind.COMMIT, next_block(b"%d" % number), 1) for number in range(4 + LATER_EXTRA)]
    bench.receive(1, *more)
    bench.receive(2, votes[0])
    assert bench.machine.later == (*((1, vote) for vote in more), (2, votes[0]), (1, newest))


def test_what_waits_where_there_is_no_vote_is_bounded_too() -> None:
    bench = Bench(FORGE, 9)
    for number in range(3 * LATER_EXTRA):
        bench.receive(1, next_vote(VoteKind.PREPARE, next_block(b"%d" % number), 1))
        bench.receive(9, next_vote(VoteKind.PREPARE, next_block(b"%d" % number), 1))
    assert [sender for sender, _ in bench.machine.later] == [1] * (4 + LATER_EXTRA)


@pytest.mark.parametrize("who", [0, 9], ids=["engine", "learner"])
def test_a_body_that_waits_is_that_of_its_header(who: int) -> None:
    bench = Bench(FORGE, who)
    with pytest.raises(ProtocolViolation, match="transactions of block 2"):
        bench.receive(1, Proposal(block=replace(next_block(), transactions=(b"other",))))
    assert not bench.machine.later


@pytest.mark.parametrize("who", [0, 9], ids=["engine", "learner"])
def test_bodies_that_wait_are_those_of_two_windows_and_push_no_vote_out(who: int) -> None:
    bench = Bench(FORGE, who)
    votes = [next_vote(VoteKind.PREPARE, next_block(b"%d" % number), 1) for number in range(2 + LATER_EXTRA)]
    bodies = [Proposal(block=next_block(b"%d" % number)) for number in range(3 * LATER_EXTRA)]
    bench.receive(1, *votes, *bodies)
    assert [message for _, message in bench.machine.later] == [*votes, *bodies[-2:]]
    size = sum(len(encode(message)) for message in [*votes, *bodies[-2:]])
    held = {name: held for name, (held, _) in sizes(bench.machine).items() if "next era" in name}
    assert held == {
        "messages for the next era": 4 + LATER_EXTRA,
        "heartbeats of the next era": 0,
        "bytes for the next era": size,
        "bodies for the next era": 2,
    }, "what the simulator's bounds go by"


@pytest.mark.parametrize("who", [0, 9], ids=["engine", "learner"])
def test_what_waits_is_bounded_by_bytes_of_each_sender_and_old_bodies_go_first(
    who: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = replace_era(FORGE.view_change(1, 1))
    large = [Proposal(block=next_block(bytes([number]) * 600)) for number in range(3)]
    monkeypatch.setattr(eras, "LATER_BYTES_MAX", len(encode(change)) + len(encode(large[0])))
    bench = Bench(FORGE, who)
    bench.receive(2, large[0])
    bench.receive(1, change, *large[:2])
    assert bench.machine.later == ((2, large[0]), (1, change), (1, large[1])), "each sender has its own"
    bench.receive(1, *[change] * 9)
    kept = [message for sender, message in bench.machine.later if sender == 1]
    assert kept
    assert set(map(type, kept)) == {ViewChange}, "also of what is no body"
    assert sum(len(encode(message)) for message in kept) <= eras.LATER_BYTES_MAX
    monkeypatch.setattr(eras, "LATER_BYTES_MAX", 100)
    bench.receive(1, large[2])
    assert [message for sender, message in bench.machine.later if sender == 1] == [large[2]], "the newest has room"


def replace_era(change: ViewChange) -> ViewChange:
    return replace(change, payload=replace(change.payload, era=Era(1)))


def _of_era(era: int) -> CommitCertificate:
    return replace(FORGE.certificate(BOUNDARY.header), era=Era(era))


def test_a_later_era_makes_one_look_for_blocks() -> None:
    bench = Bench(FORGE, 0)
    bench.now = 10.0
    bench.receive(3, Finality(certificate=_of_era(5)))
    assert bench.of_kind(FetchBlocks) == [FetchBlocks(start=Height(1), count=64)]


def test_who_speaks_from_the_past_era_is_told_how_it_ended_but_not_all_the_time() -> None:
    bench = over(Bench(FORGE, 0))
    late = FORGE.prepare(3, FORGE.block(FORGE.genesis, b"other").header)
    (answer,) = bench.receive(3, late)
    assert isinstance(answer, Finality)
    assert (answer.certificate.era, answer.certificate.digest) == (0, BOUNDARY.digest)
    assert bench.receive(3, late) == []
    bench.now += TIMING.resend
    assert bench.receive(3, late) == [answer]


def test_an_answer_is_not_answered() -> None:
    bench = over(Bench(FORGE, 0))
    assert bench.receive(3, Finality(certificate=FORGE.certificate(BOUNDARY.header))) == []


def test_votes_of_two_eras_in_one_bundle_are_nobodys() -> None:
    bench = Bench(FORGE, 0)
    votes = [
        Vote(kind=VoteKind.COMMIT, era=Era(era), view=View(0), height=Height(1), digest=BOUNDARY.digest)
        for era in (0, 1)
    ]
    with pytest.raises(ProtocolViolation, match="one era"):
        bench.receive(1, FORGE.votes(1, *votes))


def test_no_vote_of_the_past_era_counts_in_the_next_one() -> None:
    bench = over(Bench(FORGE, 0))
    first = next_block()
    bench.receive(2, Proposal(block=first), next_vote(VoteKind.PRE_PREPARE, first, 2))
    for who in (1, 3):
        past = Vote(kind=VoteKind.COMMIT, era=Era(0), view=View(0), height=Height(2), digest=first.digest)
        bench.receive(who, FORGE.votes(who, past))
    assert bench.height == 1
    for who in (1, 2, 3):
        bench.receive(who, next_vote(VoteKind.COMMIT, first, who))
    assert bench.height == 2


def test_a_crash_after_the_boundary_block_begins_in_the_next_era_with_nothing_of_the_past_one() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(BOUNDARY)
    bench.prepare_by([2, 3], BOUNDARY)
    kept = list(bench.records)
    bench.commit_by([1, 2, 3], BOUNDARY)
    assert bench.decoded() == [CutRecord(era=Era(0), height=Height(1))]
    bench.restart(kept)
    assert {era_of(record) for record in bench.decoded()} == {Era(0)}
    assert (bench.engine.view, bench.engine.primary, bench.engine.is_active) == (0, 2, True)
    assert not bench.engine.has_ended
    assert all(era_of(decode_record(data)) == 0 for data in bench.records)


def test_a_validator_that_was_removed_follows_and_still_tells_others_how_its_era_ended() -> None:
    cluster = Cluster(5)
    cluster.cut = {ValidatorId(0)}
    cluster.submit(b"-3", to=[ValidatorId(who) for who in (1, 2, 3, 4)])
    cluster.settle()
    assert isinstance(cluster.benches[ValidatorId(3)].machine, Learner)
    assert all(isinstance(cluster.benches[ValidatorId(who)].machine, Engine) for who in (1, 2, 4))
    cluster.cut = {ValidatorId(who) for who in (1, 2, 4)}
    cluster.step(ValidatorId(0), lambda bench: bench.tick(1.0))
    cluster.settle()
    assert cluster.benches[ValidatorId(0)].height == 1
    cluster.cut = set()
    cluster.submit(b"x")
    assert cluster.finish()
    assert cluster.benches[ValidatorId(3)].height == 2


def test_a_new_validator_is_needed_for_the_quorum_at_once() -> None:
    cluster = Cluster(4)
    cluster.join(ValidatorId(4))
    cluster.submit(b"+4")
    cluster.tick(0.0)
    assert cluster.finish()
    assert all(len(bench.machine.peer_heads) <= 4 for bench in cluster.up)
    cluster.down = {ValidatorId(1)}
    cluster.submit(b"x")
    assert cluster.finish()
    assert len(cluster.chain()) == 2


def test_what_a_newcomer_hears_before_it_has_the_block_that_admits_it_is_not_lost() -> None:
    """Nobody says it again: it would begin its first era without knowing what is decided in it already."""
    bench = Bench(FORGE, 4)
    admits = FORGE.block(FORGE.genesis, b"+4")
    first = FORGE.block(admits.header, b"x", proposer=2)
    vote = Vote(kind=VoteKind.PRE_PREPARE, era=Era(1), view=View(0), height=Height(2), digest=first.digest)
    bench.receive(2, Proposal(block=first), FORGE.votes(2, vote), Status(era=Era(1), view=View(0), head=Height(2)))
    assert isinstance(bench.machine, Learner)
    bench.tick(TIMING.fetch)
    bench.receive(2, Blocks(blocks=(CertifiedBlock(block=admits, certificate=FORGE.certificate(admits.header)),)))
    assert isinstance(bench.machine, Engine)
    assert bench.machine.peer_heads == {2: 2}
    (votes,) = bench.of_kind(Votes)
    assert [(cast.kind, cast.digest) for cast in votes.bundle.votes] == [(VoteKind.PREPARE, first.digest)]


def test_a_learner_says_nothing_but_what_it_asks_for_and_serves() -> None:
    bench = Bench(FORGE, 9)
    assert isinstance(bench.machine, Learner)
    assert not bench.machine.is_active
    bench.receive(1, FORGE.pre_prepare(BOUNDARY.header), Status(era=Era(0), view=View(3), head=Height(1)))
    bench.receive(2, Status(era=Era(0), view=View(0), head=Height(1)))
    assert bench.machine.is_behind
    bench.tick(1.0)
    assert [type(send.message) for send in bench.sent] == [FetchBlocks]
    assert bench.records == []
    assert bench.receive(7, FetchBlocks(start=Height(1), count=1)) == []


def test_a_learner_believes_no_block_without_a_quorum() -> None:
    bench = Bench(FORGE, 9)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(1)))
    bench.tick(1.0)
    few = FORGE.certificate(BOUNDARY.header, signers=(0, 1))
    with pytest.raises(ProtocolViolation):
        bench.receive(1, Blocks(blocks=(CertifiedBlock(block=BOUNDARY, certificate=few),)))
    assert bench.height == 0


def test_a_view_that_fails_before_the_first_block_of_an_era_is_changed() -> None:
    """The certificate of the block that ended the era before is none of this era's (found by the simulator)."""
    bench = over(Bench(FORGE, 0))
    bench.agreeing = 1
    bench.submit(b"x")
    bench.tick(TIMING.view)
    (change,) = set(bench.of_kind(ViewChange))
    assert (change.payload.era, change.payload.certificate) == (1, None)
    verify_view_change(bench._context(), change)


def test_a_view_change_right_at_the_beginning_of_an_era() -> None:
    """The root's certificate is of the past era, so a VIEW-CHANGE at the root carries none."""
    cluster = Cluster(4)
    cluster.submit(b"~0")
    cluster.tick(0.0)
    assert cluster.finish()
    cluster.down = {ValidatorId(2)}  # the era's first primary: set[(2 + 0) mod 4]
    cluster.submit(b"x")
    assert cluster.finish()
    assert len(cluster.chain()) == 2


def test_the_same_after_a_restart_at_the_root() -> None:
    cluster = Cluster(4)
    cluster.submit(b"~0")
    cluster.tick(0.0)
    assert cluster.finish()
    for who in list(cluster.benches):
        cluster.restart(who)
    cluster.down = {ValidatorId(2)}
    cluster.submit(b"x")
    assert cluster.finish()


def test_who_voted_far_above_the_block_that_ended_an_era_votes_in_the_next_one_after_a_restart() -> None:
    """Votes of a window that was decided against say nothing of how far the chain went (found by the simulator)."""
    forge = Forge(window=4)
    bench = Bench(forge, 0)
    for block in forge.chain(4):
        bench.propose(block)
    bench.receive(1, Proposal(block=BOUNDARY), Finality(certificate=forge.certificate(BOUNDARY.header, 1)))
    assert (bench.height, bench.engine.head.digest) == (1, BOUNDARY.digest)
    bench.restart()
    bench.submit(b"x")
    first = next_block()
    sent = bench.receive(2, Proposal(block=first), next_vote(VoteKind.PRE_PREPARE, first, 2))
    assert [vote.kind for message in sent if isinstance(message, Votes) for vote in message.bundle.votes] == [
        VoteKind.PREPARE
    ]


def test_evidence_of_the_past_era_comes_late_and_is_no_offence_of_who_brings_it() -> None:
    """It is judged by the first height of its own era (found by the simulator)."""
    accuser = Bench(FORGE, 1)
    committed = FORGE.block(FORGE.genesis, b"y")
    accuser.receive(2, FORGE.commit(2, committed.header), FORGE.view_change(2, 1))
    (accusation,) = accuser.of_kind(Accusation)
    assert over(Bench(FORGE, 0)).receive(1, accusation) == []
