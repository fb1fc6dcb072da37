"""Peers that joined from a snapshot lack old blocks and say so; from far behind a snapshot comes before blocks."""

from consensus.catch_up import CONFIRMATION_HEARTBEATS
from consensus.messages import FetchBlocks, Status
from ledger.quantities import Era, Height, ValidatorId, View
from tests.consensus.bench import TIMING, Bench
from tests.consensus.forge import Forge

FORGE = Forge()


def hears(bench: Bench, peer: int, head: int, base: int = 0) -> None:
    bench.receive(peer, Status(era=Era(0), view=View(0), head=Height(head), base=Height(base)))


def asked(bench: Bench) -> list[ValidatorId | None]:
    return [send.to for send in bench.sent if isinstance(send.message, FetchBlocks)]


def test_a_peer_without_the_next_block_is_not_asked_and_delays_nobody() -> None:
    bench = Bench(FORGE, 0)
    hears(bench, 1, 9, base=5)
    hears(bench, 2, 9, base=1)
    assert asked(bench) == []
    hears(bench, 3, 9)
    assert asked(bench) == [3]
    assert bench.engine.peers_serving == [3]


def test_a_peer_is_asked_once_the_head_has_reached_its_base() -> None:
    bench = Bench(FORGE, 0)
    hears(bench, 1, 9, base=1)
    for block in FORGE.chain(1):
        bench.propose(block)
        bench.commit_by([1, 2, 3], block)
    assert bench.engine.peers_serving == [1]


def test_a_base_that_changes_is_believed_as_it_is_said_last() -> None:
    bench = Bench(FORGE, 0)
    hears(bench, 1, 9, base=5)
    hears(bench, 1, 9, base=0)
    assert asked(bench) == [1]


def test_nobody_who_serves_is_known_where_all_have_joined_later() -> None:
    bench = Bench(FORGE, 0)
    for peer in (1, 2, 3):
        hears(bench, peer, 9, base=8)
    assert bench.engine.peers_serving == []
    assert bench.engine.is_behind


def test_the_certain_head_is_what_one_honest_peer_has_reached() -> None:
    bench = Bench(FORGE, 0)
    hears(bench, 1, 1_000_000)
    assert bench.engine.certain_head == 0
    hears(bench, 2, 40)
    assert bench.engine.certain_head == 40
    hears(bench, 2, 7)  # claims do not fall
    assert bench.engine.certain_head == 40


def far_behind(*heads: int) -> Bench:
    bench = Bench(FORGE, 0)
    bench.engine.ask_for_blocks(behind_max=10)
    for peer, head in enumerate(heads, start=1):
        hears(bench, peer, head)
    return bench


def test_from_far_behind_no_blocks_are_asked_for() -> None:
    bench = far_behind(100, 100, 100)
    bench.tick(20 * TIMING.status)
    assert asked(bench) == []
    bench.engine.ask_for_blocks(behind_max=None)
    bench.tick(TIMING.status)
    assert asked(bench) != []


def test_one_claim_of_a_far_head_holds_up_blocks_for_some_heartbeats_only() -> None:
    bench = far_behind(100)
    assert asked(bench) == []
    hears(bench, 2, 5)
    hears(bench, 3, 5)
    assert asked(bench) == []
    bench.tick((CONFIRMATION_HEARTBEATS + 1) * TIMING.status)
    assert asked(bench) != []


def test_from_near_blocks_are_asked_for_at_once() -> None:
    assert asked(far_behind(10)) == [1]


def test_the_heartbeat_says_up_to_where_blocks_are_missing() -> None:
    bench = Bench(FORGE, 0)
    bench.tick(TIMING.status)
    assert {status.base for status in bench.of_kind(Status)} == {0}
    bench.engine._replica.base = Height(5)
    bench.tick(TIMING.status)
    assert bench.of_kind(Status)[-1].base == 5
