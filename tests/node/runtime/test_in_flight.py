"""Blocks in flight, gathered: the same tips and ids as block upon block, in whatever order branches are asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.chain import ExecutedBlock, Tip
from ledger import state_tree
from ledger.errors import InvalidBlock
from ledger.hashing import Digest
from node.runtime.in_flight import InFlight
from node.storage.chain_store import ChainStore
from node.storage.kv import MemoryStore
from tests.consortium import consortium
from tests.node.storage.chains import certify, next_block

MEMBERS = consortium()
PARENTS = (None, 0, 1, 2, 0, 4, None)
"""A chain of four blocks on the head, a branch of two on its first one, and another block on the head."""


def branches(head: Tip) -> tuple[list[ExecutedBlock], list[Tip]]:
    """Return the blocks and the tip after each; a used id is forgotten two heights above, so some writes delete."""
    blocks: list[ExecutedBlock] = []
    tips: list[Tip] = []
    for place, parent in enumerate(PARENTS):
        below = head if parent is None else tips[parent]
        blocks.append(next_block(MEMBERS, below, transactions=2, first=10_000 + 10 * place))
        tips.append(blocks[-1].tip(below))
    return blocks, tips


STORE = ChainStore(MemoryStore(), MEMBERS.genesis)
BLOCKS, TIPS = branches(STORE.tip())


def ids_up_to(place: int) -> set[Digest]:
    parent = PARENTS[place]
    return set(BLOCKS[place].ids) | (set() if parent is None else ids_up_to(parent))


@settings(deadline=None, max_examples=60)
@given(asked=st.lists(st.tuples(st.integers(-1, len(PARENTS) - 1), st.booleans()), min_size=1, max_size=12))
def test_whatever_was_asked_before_a_tip_reads_like_blocks_upon_blocks(asked: list[tuple[int, bool]]) -> None:
    head = STORE.tip()
    flight = InFlight({executed.block.digest: executed for executed in BLOCKS})
    for place, ids_first in asked:
        digest = head.header.digest if place < 0 else BLOCKS[place].block.digest
        if ids_first:
            assert flight.ids(head.header.digest, digest) == (ids_up_to(place) if place >= 0 else set())
        found, expected = flight.tip(head, digest), head if place < 0 else TIPS[place]
        assert (found.header, found.frontier) == (expected.header, expected.frontier)
        assert dict(found.state.scan(b"")) == dict(expected.state.scan(b""))
        assert state_tree.root(found.tree) == expected.header.state_root
        for block in BLOCKS:
            assert all(found.state.get(key) == expected.state.get(key) for key in block.state_writes)
            assert all(found.tree(position) == expected.tree(position) for position in block.tree_writes)


def test_once_blocks_are_appended_what_is_above_them_is_gathered_anew() -> None:
    store = ChainStore(MemoryStore(), MEMBERS.genesis)
    executed = {block.block.digest: block for block in BLOCKS}
    flight = InFlight(executed)
    top = BLOCKS[3]
    assert len(flight.ids(store.head.header.digest, top.block.digest)) == 8
    store.append_many([(BLOCKS[0], None), (BLOCKS[1], certify(MEMBERS, BLOCKS[1].block.header))])
    for block in (BLOCKS[0], BLOCKS[1], BLOCKS[6]):
        del executed[block.block.digest]
    assert flight.ids(store.head.header.digest, top.block.digest) == BLOCKS[2].ids | BLOCKS[3].ids
    tip = flight.tip(store.tip(), top.block.digest)
    assert dict(tip.state.scan(b"")) == dict(TIPS[3].state.scan(b""))
    with pytest.raises(InvalidBlock):
        flight.ids(store.head.header.digest, BLOCKS[6].block.digest)
    with pytest.raises(InvalidBlock):
        flight.tip(store.tip(), BLOCKS[5].block.digest)
