"""Bodies are kept by digest, in bounds, and no peer can make one disappear that this replica has voted for."""

import pytest
from msgspec.structs import replace

from consensus.bodies import NAMED_MAX, VOTED_WINDOWS_MAX, Bodies, check_body
from ledger.blocks import Block
from ledger.errors import InvalidBlock
from ledger.quantities import Height, ValidatorId
from tests.consensus.forge import Forge

FORGE = Forge()
A, B = FORGE.chain(2)


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
            bodies.hold(A, prepared=())
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


def test_looking_at_an_early_body_does_not_move_it() -> None:
    bodies = Bodies(window=1)
    early = others(3)
    for block in early:
        bodies.keep_early(ValidatorId(2), block)
        bodies.get(block.digest)
    assert bodies.get(early[0].digest) is None


def test_named_bodies_are_bounded_and_do_not_displace_those_voted_for() -> None:
    bodies = Bodies(window=1)
    bodies.hold(A, prepared=())
    named = others(NAMED_MAX + 1)
    for block in named:
        bodies.keep(block)
    assert bodies.get(A.digest) is A
    assert bodies.get(named[0].digest) is None
    assert bodies.get(named[1].digest) is not None


def test_bodies_voted_for_are_bounded_and_the_prepared_one_stays() -> None:
    bodies = Bodies(window=1)
    bodies.hold(A, prepared=())
    voted = others(VOTED_WINDOWS_MAX)
    for block in voted:
        bodies.hold(block, prepared={A.digest})
    assert bodies.get(A.digest) is A
    assert bodies.get(voted[0].digest) is None
    assert bodies.get(voted[-1].digest) is not None


def test_a_body_voted_for_again_is_the_newest_again() -> None:
    bodies = Bodies(window=1)
    for block in (A, *others(VOTED_WINDOWS_MAX - 1), A, B):
        bodies.hold(block, prepared=())
    assert bodies.get(A.digest) is A


def test_bodies_up_to_the_head_are_forgotten() -> None:
    bodies = Bodies(window=1)
    for number, block in enumerate((A, B)):
        bodies.hold(block, prepared=())
        bodies.keep(block)
        bodies.keep_early(ValidatorId(number), block)
    bodies.prune(Height(1))
    assert bodies.get(A.digest) is None
    assert bodies.get(B.digest) is B
