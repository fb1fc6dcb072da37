"""Catching up among peers of which some lie about what they have, and some answer with what is not so."""

import pytest
from msgspec.structs import replace

from consensus.catch_up import ANSWER_BYTES_MAX
from consensus.errors import ProtocolViolation
from consensus.messages import (
    BLOCKS_MAX,
    Blocks,
    CertifiedBlock,
    FetchBlocks,
    FetchBody,
    FetchNewView,
    Proposal,
    Status,
)
from ledger.blocks import Block
from ledger.quantities import Era, Height, View
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge
from tests.simulation.byzantine import forged_body

FORGE = Forge()
CHAIN = FORGE.chain(4)
OTHER = FORGE.chain(4, name="other")


def status(head: int, *, view: int = 0, era: int = 0) -> Status:
    return Status(era=Era(era), view=View(view), head=Height(head))


def blocks(*certified: CertifiedBlock) -> Blocks:
    return Blocks(blocks=certified)


def chain(*numbers: int) -> Blocks:
    return blocks(*(FORGE.certified(CHAIN[number]) for number in numbers))


def bare(block: Block) -> CertifiedBlock:
    return CertifiedBlock(block=block, certificate=None)


def asking(peer: int = 1, *, head: int = 4) -> Bench:
    """Return a replica that has asked a peer for blocks."""
    bench = Bench(FORGE, 0)
    bench.receive(peer, status(head))
    assert [send.to for send in bench.sent if isinstance(send.message, FetchBlocks)] == [peer]
    return bench


def test_a_whole_chain_is_appended() -> None:
    bench = asking()
    bench.receive(1, chain(0, 1, 2, 3))
    assert [certified.block for certified in bench.chain] == CHAIN


def test_blocks_under_a_descendants_certificate_are_appended() -> None:
    bench = asking()
    bench.receive(1, blocks(bare(CHAIN[0]), bare(CHAIN[1]), FORGE.certified(CHAIN[2])))
    assert bench.height == 3


def test_what_was_appended_meanwhile_is_passed_over() -> None:
    bench = asking()
    bench.propose(CHAIN[0])
    bench.commit_by([1, 2, 3], CHAIN[0])
    bench.receive(1, chain(0, 1))
    assert bench.height == 2


BAD_ANSWERS = {
    "a child of another block": chain(0, 2),
    "falling heights": chain(1, 0),
    "the same height twice": chain(0, 0),
    "not from the head on": chain(1, 2),
    "no certificate at the end": blocks(FORGE.certified(CHAIN[0]), bare(CHAIN[1])),
    "the certificate of another block": blocks(
        CertifiedBlock(block=CHAIN[0], certificate=FORGE.certificate(OTHER[0].header))
    ),
    "a certificate of too few": blocks(
        CertifiedBlock(block=CHAIN[0], certificate=FORGE.certificate(CHAIN[0].header, signers=[0, 1]))
    ),
    "another chain behind a true block": blocks(FORGE.certified(CHAIN[0]), FORGE.certified(OTHER[1])),
    "other transactions": blocks(replace(FORGE.certified(CHAIN[0]), block=forged_body(Proposal(block=CHAIN[0])).block)),
    "other transactions below a certificate": blocks(
        bare(forged_body(Proposal(block=CHAIN[0])).block), FORGE.certified(CHAIN[1])
    ),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_b10_a_bad_answer_is_refused_and_the_next_peer_asked(name: str) -> None:
    bench = asking()
    with pytest.raises(ProtocolViolation):
        bench.receive(1, BAD_ANSWERS[name])
    assert bench.height == 0
    bench.receive(2, status(4))
    bench.receive(2, chain(0, 1, 2, 3))
    assert bench.height == 4


def test_b10_an_answer_that_nobody_asked_for_is_not_looked_at() -> None:
    bench = asking()
    bench.receive(2, chain(0, 1))
    bench.receive(2, BAD_ANSWERS["falling heights"])
    assert bench.height == 0


def test_b10_only_the_first_answer_counts() -> None:
    bench = asking()
    bench.receive(1, blocks())
    bench.receive(1, chain(0))
    assert bench.height == 0


def test_b15_a_claimed_height_does_not_fall() -> None:
    bench = asking(head=4)
    bench.receive(1, status(1))
    assert bench.engine.peer_heads == {1: 4}


def test_b15_one_liar_does_not_make_a_replica_believe_that_it_is_behind() -> None:
    bench = asking(head=2**62)
    assert not bench.engine.is_behind
    bench.receive(2, status(1))
    assert bench.engine.is_behind


def test_b15_a_liar_with_a_huge_height_takes_only_its_turn() -> None:
    bench = asking(peer=1, head=2**62)
    bench.receive(2, status(4))
    bench.receive(3, status(4))
    for _ in range(8):
        bench.tick(0.1)
    asked = [send.to for send in bench.sent if isinstance(send.message, FetchBlocks)]
    assert asked[:3] == [1, 2, 3]


def test_b15_a_liar_does_not_hold_up_the_view_timer() -> None:
    bench = asking(peer=1, head=2**62)
    bench.submit(b"item")
    for _ in range(12):
        bench.tick(0.1)
    assert bench.engine.view == 1


def test_the_view_timer_waits_while_a_replica_is_behind() -> None:
    bench = asking(peer=1, head=2**62)
    bench.receive(2, status(2**62))
    bench.submit(b"item")
    for _ in range(12):
        bench.tick(0.1)
    assert bench.engine.view == 0


def test_a_liar_does_not_use_up_the_questions_for_a_new_view() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(3, status(0, view=1_000_000))
    bench.receive(1, status(0, view=2))
    asked = [(send.to, send.message) for send in bench.sent if isinstance(send.message, FetchNewView)]
    assert asked == [
        (3, FetchNewView(era=Era(0), view=View(1_000_000))),
        (1, FetchNewView(era=Era(0), view=View(2))),
    ]


def test_one_peer_is_not_asked_for_a_new_view_with_every_heartbeat() -> None:
    bench = Bench(FORGE, 0)
    for _ in range(10):
        bench.receive(3, status(0, view=7))
    assert len(bench.of_kind(FetchNewView)) == 1


def test_a_little_behind_waits_for_votes_first() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, status(1))
    assert not bench.of_kind(FetchBlocks)
    bench.tick(0.4)
    assert bench.of_kind(FetchBlocks)


def test_a_peer_in_a_later_era_is_ahead() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, status(9, era=1))
    assert bench.of_kind(FetchBlocks) == [FetchBlocks(start=Height(1), count=BLOCKS_MAX)]
    assert not bench.of_kind(FetchNewView)


def server(length: int = 4) -> Bench:
    bench = asking(head=length)
    bench.receive(1, blocks(*(FORGE.certified(block) for block in FORGE.chain(length))))
    assert bench.height == length
    return bench


@pytest.mark.parametrize(("start", "count", "heights"), [(1, 64, [1, 2, 3, 4]), (3, 1, [3]), (2, 2, [2, 3])])
def test_blocks_are_served_from_a_height_on(start: int, count: int, heights: list[int]) -> None:
    (answer,) = server().receive(2, FetchBlocks(start=Height(start), count=count))
    assert isinstance(answer, Blocks)
    assert [certified.block.header.height for certified in answer.blocks] == heights


@pytest.mark.parametrize(("start", "count"), [(5, 64), (1, 0), (0, 64), (2**63 - 1, 65_535)])
def test_what_is_not_there_is_not_answered(start: int, count: int) -> None:
    assert server().receive(2, FetchBlocks(start=Height(start), count=count)) == []


def test_an_answer_ends_with_a_certified_block() -> None:
    bench = asking()
    bench.receive(1, blocks(bare(CHAIN[0]), bare(CHAIN[1]), FORGE.certified(CHAIN[2])))
    assert bench.receive(2, FetchBlocks(start=Height(1), count=2)) == []
    (answer,) = bench.receive(2, FetchBlocks(start=Height(1), count=3))
    assert isinstance(answer, Blocks)
    assert len(answer.blocks) == 3


def test_large_blocks_that_have_no_certificate_of_their_own_are_served_with_the_one_that_covers_them() -> None:
    """An answer that stopped at its size, before any certificate, would leave whoever asks behind for ever."""
    bench = asking()
    half = bytes(ANSWER_BYTES_MAX // 2)
    large = []
    parent = FORGE.genesis
    for number in range(3):
        large.append(FORGE.block(parent, half + bytes([number])))
        parent = large[-1].header
    bench.receive(1, blocks(bare(large[0]), bare(large[1]), FORGE.certified(large[2])))
    (answer,) = bench.receive(2, FetchBlocks(start=Height(1), count=64))
    assert isinstance(answer, Blocks)
    assert len(answer.blocks) == 3


def test_an_answer_stops_at_its_size() -> None:
    bench = asking()
    half = bytes(ANSWER_BYTES_MAX // 2)
    large = [FORGE.block(FORGE.genesis, half + b"1")]
    for number in (2, 3):
        large.append(FORGE.block(large[-1].header, half + bytes([number])))
    bench.receive(1, blocks(*(FORGE.certified(block) for block in large)))
    (answer,) = bench.receive(2, FetchBlocks(start=Height(1), count=64))
    assert isinstance(answer, Blocks)
    assert len(answer.blocks) == 2


def test_a_body_in_flight_and_that_of_the_head_are_served() -> None:
    bench = server(3)
    bench.propose(CHAIN[3])
    for block in CHAIN[2:]:
        assert bench.receive(2, FetchBody(digest=block.digest)) == [Proposal(block=block)]
    assert bench.receive(2, FetchBody(digest=CHAIN[0].digest)) == []


def test_a_missing_body_is_asked_of_the_primary_first_and_then_of_everybody() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(CHAIN[0].header))
    bench.tick(0.1)
    bench.tick(0.3)
    assert [send.to for send in bench.sent if isinstance(send.message, FetchBody)] == [1, None]


def test_bodies_far_above_the_head_are_not_kept() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, *(Proposal(block=block) for block in CHAIN))
    kept = [block.header.height for block in CHAIN if bench.engine._replica.bodies.get(block.digest) is not None]
    assert kept == [1, 2]


def test_a_body_that_was_asked_for_is_kept_from_whoever_sends_it() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(CHAIN[0].header))
    bench.receive(3, *(Proposal(block=block) for block in OTHER[:1]), Proposal(block=CHAIN[0]))
    bench.receive(3, *(Proposal(block=FORGE.block(FORGE.genesis, bytes([number]))) for number in range(8)))
    assert bench.engine._replica.accepted
