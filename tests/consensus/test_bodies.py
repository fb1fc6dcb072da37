"""Bodies are kept by digest, in bounds, and no peer can make one disappear that this replica has voted for."""

import pytest
from msgspec.structs import replace

from consensus import bodies as bodies_module
from consensus import catch_up
from consensus.bodies import ASKED_MAX, VOTED_WINDOWS_MAX, Bodies, check_body
from consensus.messages import FetchBody, Proposal
from consensus.ports import Effects
from ledger.blocks import Block
from ledger.errors import InvalidBlock
from ledger.hashing import sha256
from ledger.quantities import Height, ValidatorId
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge()
CHAIN = FORGE.chain(4)
A, B, *_ = CHAIN
OTHER = FORGE.chain(4, name="other")


def others(count: int) -> list[Block]:
    return [FORGE.block(FORGE.genesis, f"other {number}".encode()) for number in range(count)]


def test_a_body_belongs_to_its_header() -> None:
    check_body(A)


@pytest.mark.parametrize("transactions", [(), (b"another",), (*A.transactions, b"one more"), A.transactions * 2])
def test_other_transactions_do_not_belong_to_a_header(transactions: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidBlock, match="transactions of block 1"):
        check_body(replace(A, transactions=transactions))


@pytest.mark.parametrize("how", ["hold", "keep", "keep_early"])
def test_what_is_kept_is_found(how: str) -> None:
    bodies = Bodies(window=1)
    match how:
        case "hold":
            bodies.hold(A, prepared=tuple)
        case "keep":
            bodies.keep(A)
        case _:
            bodies.keep_early(ValidatorId(1), A)
    assert bodies.get(A.digest) is A
    assert bodies.get(B.digest) is None


def test_one_peers_early_bodies_displace_only_its_own() -> None:
    bodies = Bodies(window=1)
    bodies.keep_early(ValidatorId(1), A)
    for block in others(10):
        bodies.keep_early(ValidatorId(2), block)
    assert bodies.get(A.digest) is A
    assert sum(bodies.get(block.digest) is not None for block in others(10)) == 2


def test_early_bodies_are_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies_module, "EARLY_BYTES_MAX", 100)
    bodies = Bodies(window=64)
    large = [FORGE.block(FORGE.genesis, bytes([number]) * 40) for number in range(4)]
    for block in large:
        bodies.keep_early(ValidatorId(1), block)
    assert [bodies.get(block.digest) is not None for block in large] == [False, False, True, True]
    huge = FORGE.block(FORGE.genesis, bytes(200))
    bodies.keep_early(ValidatorId(1), huge)
    assert bodies.get(huge.digest) is huge, "the largest block that the chain permits must have room"
    assert bodies.get(large[3].digest) is None


def test_looking_at_an_early_body_does_not_move_it() -> None:
    bodies = Bodies(window=1)
    early = others(3)
    for block in early:
        bodies.keep_early(ValidatorId(2), block)
        bodies.get(block.digest)
    assert bodies.get(early[0].digest) is None


def test_bodies_asked_for_are_bounded_and_do_not_displace_those_voted_for() -> None:
    bodies = Bodies(window=1)
    bodies.hold(A, prepared=tuple)
    wanted = others(ASKED_MAX + 1)
    for block in wanted:
        bodies.keep(block)
    assert bodies.get(A.digest) is A
    assert bodies.get(wanted[0].digest) is None
    assert bodies.get(wanted[1].digest) is not None


def test_bodies_voted_for_are_bounded_and_the_prepared_one_stays() -> None:
    bodies = Bodies(window=1)
    bodies.hold(A, prepared=tuple)
    voted = others(VOTED_WINDOWS_MAX)
    for block in voted:
        bodies.hold(block, prepared=lambda: {A.digest})
    assert bodies.get(A.digest) is A
    assert bodies.get(voted[0].digest) is None
    assert bodies.get(voted[-1].digest) is not None


def test_bodies_voted_for_are_bounded_by_bytes_but_for_the_prepared_ones_and_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies_module, "VOTED_BYTES_MAX", 100)
    bodies = Bodies(window=64)
    large = [FORGE.block(FORGE.genesis, bytes([number]) * 40) for number in range(4)]
    for block in large:
        bodies.hold(block, prepared=lambda: {large[0].digest})
    assert [bodies.get(block.digest) is not None for block in large] == [True, False, False, True]
    huge = FORGE.block(FORGE.genesis, bytes(200))
    bodies.hold(huge, prepared=lambda: {large[0].digest})
    assert [bodies.get(block.digest) is not None for block in (*large, huge)] == [True, False, False, False, True]


def test_bodies_asked_for_are_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies_module, "ASKED_BYTES_MAX", 100)
    bodies = Bodies(window=64)
    large = [FORGE.block(FORGE.genesis, bytes([number]) * 40) for number in range(4)]
    for block in large:
        bodies.keep(block)
    assert [bodies.get(block.digest) is not None for block in large] == [False, False, True, True]
    huge = FORGE.block(FORGE.genesis, bytes(200))
    bodies.keep(huge)
    assert bodies.get(huge.digest) is huge


def test_sizes_are_forgotten_with_their_bodies() -> None:
    bodies = Bodies(window=1)
    bodies.hold(A, prepared=tuple)
    bodies.keep(B)
    bodies.prune(Height(1))
    assert set(bodies._sizes) == {B.digest}
    bodies.prune(Height(2))
    assert not bodies._sizes


def test_open_questions_for_bodies_are_bounded() -> None:
    bench = Bench(FORGE, 0)
    replica, out = bench.engine._replica, Effects()
    wanted = [sha256(f"{number}".encode()) for number in range(ASKED_MAX + 3)]
    for digest in wanted:
        catch_up.ask_for_body(replica, digest, bench.moment, out, first=None)
    assert list(replica.catch_up.bodies) == wanted[3:]


def test_a_body_voted_for_again_is_the_newest_again() -> None:
    bodies = Bodies(window=1)
    for block in (A, *others(VOTED_WINDOWS_MAX - 1), A, B):
        bodies.hold(block, prepared=tuple)
    assert bodies.get(A.digest) is A


def test_bodies_up_to_the_head_are_forgotten() -> None:
    bodies = Bodies(window=1)
    for number, block in enumerate((A, B)):
        bodies.hold(block, prepared=tuple)
        bodies.keep(block)
        bodies.keep_early(ValidatorId(number), block)
    bodies.prune(Height(1))
    assert bodies.get(A.digest) is None
    assert bodies.get(B.digest) is B


def test_a_missing_body_is_asked_of_the_primary_first_and_then_of_everybody() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(CHAIN[0].header))
    bench.tick(0.1)
    bench.tick(0.3)
    assert [send.to for send in bench.sent if isinstance(send.message, FetchBody)] == [1, None]


def test_a_missing_body_is_asked_for_less_and_less_often() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(CHAIN[0].header))
    for _ in range(100):
        bench.tick(0.1)
    assert 3 <= len(bench.of_kind(FetchBody)) <= 7


def test_what_was_asked_for_is_forgotten_once_it_is_appended() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(CHAIN[0].header))
    bench.receive(1, Proposal(block=CHAIN[0]))
    bench.commit_by([1, 2, 3], CHAIN[0])
    assert bench.height == 1
    assert not bench.engine._replica.catch_up.bodies


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


def test_nothing_is_left_of_bodies_that_made_room() -> None:
    bodies = Bodies(window=1)
    for block in others(3 * ASKED_MAX):
        bodies.hold(block, prepared=tuple)
        bodies.keep(block)
    assert len(bodies._sizes) <= VOTED_WINDOWS_MAX + ASKED_MAX
