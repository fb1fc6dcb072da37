"""Catching up among peers of which some lie about what they have, and some answer with what is not so."""

import pytest
from msgspec.structs import replace

from consensus import catch_up
from consensus.errors import ProtocolViolation
from consensus.messages import (
    BLOCKS_ASKED,
    Blocks,
    FetchBlocks,
    FetchBody,
    FetchNewView,
    Finality,
    Proposal,
    Status,
)
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock
from ledger.quantities import Era, Height, ValidatorId, View
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


def asked(bench: Bench) -> list[ValidatorId | None]:
    """Return who was asked for blocks, in order."""
    return [send.to for send in bench.sent if isinstance(send.message, FetchBlocks)]


def asking(peer: int = 1, *, head: int = 4) -> Bench:
    """Return a replica that has asked a peer for blocks."""
    bench = Bench(FORGE, 0)
    bench.receive(peer, status(head))
    assert asked(bench) == [peer]
    return bench


def test_a_whole_chain_is_appended() -> None:
    bench = asking()
    bench.receive(1, chain(0, 1, 2, 3))
    assert [certified.block for certified in bench.chain] == CHAIN


def test_blocks_under_a_descendants_certificate_are_appended() -> None:
    bench = asking()
    bench.receive(1, blocks(bare(CHAIN[0]), bare(CHAIN[1]), FORGE.certified(CHAIN[2])))
    assert bench.height == 3


def test_a_long_answer_is_appended_in_slices_so_that_votes_and_timers_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catch_up, "SLICE_TRANSACTIONS", 1)
    bench = asking()
    bench.receive(1, blocks(FORGE.certified(CHAIN[0]), bare(CHAIN[1]), *map(FORGE.certified, CHAIN[2:])))
    heights = [bench.height]
    bench.receive(2, status(9))
    heights.append(bench.height)
    bench.tick()
    heights.append(bench.height)
    assert heights == [1, 3, 4], "a slice ends with a certificate, and is one block at least"
    assert asked(bench) == [1, 2], "nobody is asked again before all of it is appended"


def test_while_a_slice_waits_the_engine_wants_to_be_called_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "SLICE_TRANSACTIONS", 1)
    bench = asking()
    effects = bench.engine.receive(ValidatorId(1), chain(0, 1), bench.moment)
    assert effects.timer_at == bench.now
    bench._carry_out(effects)
    effects = bench.engine.tick(bench.moment)
    assert effects.timer_at is not None
    assert effects.timer_at > bench.now


def test_what_votes_have_decided_meanwhile_is_left_out_of_a_waiting_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "SLICE_TRANSACTIONS", 1)
    bench = Bench(FORGE, 0)
    bench.receive(1, status(4))
    bench.propose(CHAIN[0])
    bench.engine._replica.catch_up.verified = [FORGE.certified(block) for block in CHAIN[:2]]
    bench.receive(2, Finality(certificate=FORGE.certificate(CHAIN[0].header)))
    bench.tick()
    assert [certified.block for certified in bench.chain] == CHAIN[:2]


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
    assert asked(bench)[:3] == [1, 2, 3]


def test_b15_a_liar_does_not_hold_up_the_view_timer() -> None:
    bench = asking(peer=1, head=2**62)
    bench.agreeing = 2
    bench.submit(b"item")
    for _ in range(12):
        bench.tick(0.1)
    assert bench.engine.view == 1


def test_the_view_timer_waits_while_a_replica_is_behind() -> None:
    bench = asking(peer=1, head=2**62)
    bench.agreeing = 2
    bench.receive(2, status(2**62))
    bench.submit(b"item")
    for _ in range(12):
        bench.tick(0.1)
    assert bench.engine.view == 0


def test_the_view_timer_waits_while_what_is_certified_cannot_be_appended() -> None:
    """Heartbeats come once a second, and whoever begins an era late would complain of a good primary.

    With f others it would end its view.
    """
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.receive(1, Finality(certificate=FORGE.certificate(CHAIN[0].header)))
    for _ in range(12):
        bench.tick(0.1)
    assert bench.engine.view == 0
    bench.receive(1, Proposal(block=CHAIN[0]))
    assert bench.height == 1
    for _ in range(24):
        bench.tick(0.1)
    assert bench.engine.view == 1, "the item is still pending"


def test_a_certificate_that_overtakes_its_body_is_no_claim_of_its_signers() -> None:
    """They have committed, not appended; and one question for the body is enough."""
    bench = Bench(FORGE, 0)
    bench.now = 10.0
    bench.receive(1, Finality(certificate=FORGE.certificate(CHAIN[0].header)))
    assert [send.message for send in bench.sent] == [FetchBody(digest=CHAIN[0].digest)]
    assert bench.engine.is_behind
    assert (bench.engine.peer_heads, bench.engine.certain_head, bench.engine.peers_serving) == ({}, 0, [])
    bench.receive(1, Proposal(block=CHAIN[0]))
    assert bench.height == 1
    assert not bench.engine.is_behind


def test_who_committed_far_above_had_appended_all_but_a_window_below() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(3, Finality(certificate=FORGE.certificate(CHAIN[3].header)))
    assert bench.engine.peer_heads == dict.fromkeys((1, 2), 4 - FORGE.window)
    assert asked(bench) == [1]
    bench.receive(1, chain(0, 1, 2, 3))
    assert bench.height == 4


def test_a_liar_does_not_use_up_the_questions_for_a_new_view() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(3, status(0, view=1_000_000))
    bench.receive(1, status(0, view=2))
    questions = [(send.to, send.message) for send in bench.sent if isinstance(send.message, FetchNewView)]
    assert questions == [
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
    assert bench.of_kind(FetchBlocks) == [FetchBlocks(start=Height(1), count=BLOCKS_ASKED)]
    assert not bench.of_kind(FetchNewView)


def test_an_answer_that_took_long_counts_although_others_were_asked_meanwhile() -> None:
    """On a slow link every answer takes longer than the patience with one peer: none may be thrown away for that."""
    bench = asking()
    for peer in (2, 3):
        bench.receive(peer, status(4))
        bench.tick(0.3)
    assert asked(bench) == [1, 2, 3]
    bench.receive(1, chain(0, 1, 2))
    assert bench.height == 3
    bench.receive(2, chain(0, 1, 2, 3))
    assert bench.height == 4


def test_a_slow_peer_is_not_asked_again_and_again_for_what_is_on_its_way() -> None:
    bench = asking()
    for _ in range(100):
        bench.tick(0.1)
    assert 3 <= len(asked(bench)) <= 8
    bench.receive(1, chain(0))
    bench.receive(1, status(4))
    bench.tick(0.3)
    bench.tick(0.3)
    bench.tick(0.3)
    assert len(asked(bench)) >= 10, "and as before once it has answered"


def test_from_far_behind_blocks_are_asked_for_and_not_one_body_after_the_other() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, status(1))
    bench.receive(1, Finality(certificate=FORGE.certificate(CHAIN[2].header)))
    bench.tick(0.3)
    assert asked(bench) == [1, 2], "the next one, once the first has been silent"
    assert not bench.of_kind(FetchBody)
