"""Appending: the next block and nothing else, once, as a whole."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from contracts.chain import genesis_tip, replay
from ledger import state_tree
from ledger.blocks import Block
from ledger.hashing import ZERO_DIGEST
from ledger.quantities import Era, Height
from ledger.validators import Validator
from node.storage import schema
from node.storage.chain_store import ChainStore
from node.storage.errors import AppendRefused, DatabaseDamaged, ForeignChain, StorageFailed, UnsupportedSchema
from node.storage.kv import MemoryStore
from node.storage.leveldb import LevelDb
from tests.consortium import consortium, signing_key
from tests.node.storage.chains import certify, check_whole, ending_era, extend, grow, next_block

MEMBERS = consortium()
GENESIS = MEMBERS.genesis


class CountingStore(MemoryStore):
    """A store in memory that notes each write, and can be told to refuse the next."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: list[bool] = []
        self.refuse = False

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        if self.refuse:
            raise StorageFailed("no")
        self.syncs.append(sync)
        super().write(batch, sync=sync)


@pytest.fixture
def store() -> ChainStore:
    return ChainStore(MemoryStore(), GENESIS)


def test_an_empty_database_begins_with_genesis(store: ChainStore) -> None:
    assert store.head.header == GENESIS.block.header
    assert store.head.certificate is None
    assert dict(store.state.scan(b"")) == GENESIS.state
    assert store.validator_set(Era(0)) is not None
    check_whole(store, MEMBERS)


def test_the_tip_is_the_one_that_execution_computes(store: ChainStore) -> None:
    blocks = extend(MEMBERS, genesis_tip(GENESIS), blocks=4)
    store.append_many(blocks)
    tip = store.tip()
    assert (tip.header, tip.frontier) == (blocks[-1][0].block.header, blocks[-1][0].frontier)
    assert state_tree.root(tip.tree) == tip.header.state_root
    following = next_block(MEMBERS, tip)
    assert replay(tip, following.block).block.digest == following.block.digest


def test_a_block_executed_on_the_overlay_of_a_parent_can_be_appended_after_it(store: ChainStore) -> None:
    tip = store.tip()
    first = next_block(MEMBERS, tip)
    above = first.tip(tip)
    store.append(first, certify(MEMBERS, first.block.header))
    second = next_block(MEMBERS, above)
    store.append(second, certify(MEMBERS, second.block.header))
    check_whole(store, MEMBERS)


def test_what_was_appended_is_there_after_opening_again(tmp_path: Path) -> None:
    kv = LevelDb(tmp_path / "database")
    grow(MEMBERS, store := ChainStore(kv, GENESIS), 5)
    head, tip = store.head, store.tip()
    kv.close()
    kv = LevelDb(tmp_path / "database")
    again = ChainStore(kv, GENESIS)
    assert again.head == head
    assert again.tip().frontier == tip.frontier
    check_whole(again, MEMBERS)
    grow(MEMBERS, again, 2)
    check_whole(again, MEMBERS)
    kv.close()


def test_everything_up_to_a_certificate_is_appended_in_one_synced_write() -> None:
    kv = CountingStore()
    store = ChainStore(kv, GENESIS)
    store.append_many(extend(MEMBERS, store.tip(), blocks=5))
    assert kv.syncs == [True, True]
    assert store.head.header.height == 5
    check_whole(store, MEMBERS)


def test_one_by_one_and_all_at_once_leave_the_same_database() -> None:
    blocks = extend(MEMBERS, genesis_tip(GENESIS), blocks=6, certified=range(6))
    one, other = MemoryStore(), MemoryStore()
    ChainStore(one, GENESIS).append_many(blocks)
    store = ChainStore(other, GENESIS)
    for executed, certificate in blocks:
        store.append(executed, certificate)
    assert one.values == other.values


def test_a_failed_write_leaves_the_head_where_it_was() -> None:
    kv = CountingStore()
    store = ChainStore(kv, GENESIS)
    kv.refuse = True
    with pytest.raises(StorageFailed):
        grow(MEMBERS, store, 1)
    assert store.head.header.height == 0
    assert store.tip().frontier.size == 0


def test_appending_the_same_block_again_writes_nothing() -> None:
    kv = CountingStore()
    store = ChainStore(kv, GENESIS)
    blocks = extend(MEMBERS, store.tip(), blocks=3, certified=range(3))
    store.append_many(blocks)
    before = dict(kv.values)
    store.append_many(blocks)
    store.append(blocks[1][0], None)
    store.append(blocks[1][0], certify(MEMBERS, blocks[1][0].block.header, view=3))
    assert kv.syncs == [True, True]
    assert kv.values == before


def test_blocks_that_overlap_the_appended_ones_append_the_rest(store: ChainStore) -> None:
    blocks = extend(MEMBERS, store.tip(), blocks=4, certified=[1])
    store.append_many(blocks[:2])
    store.append_many(blocks)
    assert store.head.header.height == 4
    check_whole(store, MEMBERS)


def test_another_block_at_an_appended_height_is_refused(store: ChainStore) -> None:
    tip = store.tip()
    grow(MEMBERS, store, 2)
    other = next_block(MEMBERS, tip, transactions=1)
    with pytest.raises(AppendRefused, match="block at appended height 1"):
        store.append(other, certify(MEMBERS, other.block.header))


def test_a_block_that_leaves_a_gap_is_refused(store: ChainStore) -> None:
    blocks = extend(MEMBERS, store.tip(), blocks=3)
    with pytest.raises(AppendRefused, match=r"block after the head .* expected \(1, "):
        store.append_many(blocks[1:])


def test_a_block_of_another_parent_is_refused(store: ChainStore) -> None:
    tip = store.tip()
    grow(MEMBERS, store, 1)
    sibling = next_block(MEMBERS, tip, transactions=1)
    stranger = next_block(MEMBERS, sibling.tip(tip))
    with pytest.raises(AppendRefused, match=r"block after the head \(height, parent\)"):
        store.append(stranger, certify(MEMBERS, stranger.block.header))
    assert store.head.header.height == 1


def test_the_last_block_needs_a_certificate(store: ChainStore) -> None:
    blocks = extend(MEMBERS, store.tip(), blocks=2, certified=[0])
    with pytest.raises(AppendRefused, match="certificate of block 2"):
        store.append_many([blocks[0], (blocks[1][0], None)])
    assert store.head.header.height == 0


def test_the_certificate_of_another_block_is_refused(store: ChainStore) -> None:
    (first, _), (second, certificate) = extend(MEMBERS, store.tip(), blocks=2)
    with pytest.raises(AppendRefused, match="subject of the certificate"):
        store.append(first, certificate)
    with pytest.raises(AppendRefused, match="subject of the certificate"):
        store.append_many([(first, None), (second, certify(MEMBERS, first.block.header))])


def successors() -> tuple[Validator, ...]:
    """Return the genesis set with one key rotated."""
    first, *others = GENESIS.validators.members
    return (structs.replace(first, vote_key=signing_key("rotated").public), *others)


def test_the_set_of_the_next_era_is_known_once_its_boundary_is_appended(store: ChainStore) -> None:
    boundary = ending_era(store.tip(), successors(), Era(1), members=MEMBERS)
    assert store.validator_set(Era(1)) is None
    store.append(boundary, certify(MEMBERS, boundary.block.header))
    following = store.validator_set(Era(1))
    assert following is not None
    assert following.digest == boundary.block.header.next_validators
    first = store.validator_set(Era(0))
    assert first is not None
    assert first.digest == GENESIS.validators.digest


def test_a_block_that_ends_an_era_needs_its_own_certificate(store: ChainStore) -> None:
    boundary = ending_era(store.tip(), successors(), Era(1), members=MEMBERS)
    child = next_block(MEMBERS, boundary.tip(store.tip()))
    with pytest.raises(AppendRefused, match="one of its own, since it ends an era"):
        store.append_many([(boundary, None), (child, certify(MEMBERS, child.block.header))])


def test_a_block_whose_state_does_not_lead_to_its_root_is_a_mistake_of_ours(store: ChainStore) -> None:
    executed = next_block(MEMBERS, store.tip())
    header = structs.replace(executed.block.header, state_root=ZERO_DIGEST)
    forged = replace(executed, block=Block(header=header, transactions=executed.block.transactions))
    with pytest.raises(AssertionError):
        store.append(forged, certify(MEMBERS, header))


def test_the_database_of_another_chain_is_refused() -> None:
    kv = MemoryStore()
    ChainStore(kv, GENESIS)
    with pytest.raises(ForeignChain):
        ChainStore(kv, consortium(validators=5).genesis)


def test_a_later_schema_is_refused() -> None:
    kv = MemoryStore()
    ChainStore(kv, GENESIS)
    kv.write({schema.SCHEMA: b"2"}, sync=True)
    with pytest.raises(UnsupportedSchema, match="expected 1, got 2"):
        ChainStore(kv, GENESIS)


@pytest.mark.parametrize(
    "damage",
    [
        {schema.HEAD: None},
        {schema.HEAD: schema.number(7)},
        {schema.HEAD: schema.number(1)},
        {schema.header(Height(2)): None},
        {schema.certificate(Height(2)): None},
        {schema.FRONTIER: None},
        {schema.tree_node(state_tree.position(0, ZERO_DIGEST)): None},
    ],
    ids=["no head", "head above", "head below", "no header", "no certificate", "no frontier", "no tree"],
)
def test_a_database_that_contradicts_itself_is_refused(damage: dict[bytes, bytes | None]) -> None:
    kv = MemoryStore()
    grow(MEMBERS, ChainStore(kv, GENESIS), 2)
    kv.write(damage, sync=True)
    with pytest.raises(DatabaseDamaged):
        ChainStore(kv, GENESIS)


def test_the_frontier_of_an_earlier_block_is_refused() -> None:
    kv = MemoryStore()
    store = ChainStore(kv, GENESIS)
    grow(MEMBERS, store, 1)
    early = kv.values[schema.FRONTIER]
    grow(MEMBERS, store, 1)
    kv.write({schema.FRONTIER: early}, sync=True)
    with pytest.raises(DatabaseDamaged, match="frontier of the log"):
        ChainStore(kv, GENESIS)
