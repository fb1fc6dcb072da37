"""A chain that begins with a snapshot: the same state, the same proofs from there on, clear words about the rest."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import state_keys, state_tree
from ledger.encoding import encode
from ledger.entries import TransactionEntry
from ledger.errors import InvalidProof, TooLarge
from ledger.hashing import Digest
from ledger.light_client import LightClient
from ledger.quantities import Era, Height
from ledger.snapshots import SnapshotManifest, verify_manifest
from ledger.state_ranges import StateRange
from ledger.validators import ValidatorSet
from node.storage import snapshot_cutting
from node.storage.chain_store import ChainStore
from node.storage.errors import BelowSnapshot, NotAppended, SnapshotUnusable
from node.storage.kv import MemoryStore
from node.storage.snapshot_cutting import RANGE_BYTES_MAX, cut_state, read_pairs, write_pairs
from node.storage.snapshot_install import write_snapshot
from tests.consortium import consortium
from tests.ledger.state_trees import tree_of
from tests.node.storage.chains import certify, ending_era, extend, grow
from tests.node.storage.snapshots import check_joined, cut, ranges_in

MEMBERS = consortium()
CHECKPOINT = 6


def grown(blocks: int = CHECKPOINT) -> ChainStore:
    store = ChainStore(MemoryStore(), MEMBERS.genesis)
    grow(MEMBERS, store, blocks)
    return store


def installed(manifest: SnapshotManifest, ranges: list[StateRange]) -> ChainStore:
    kv = MemoryStore()
    write_snapshot(kv, manifest, ranges, MEMBERS.genesis)
    return ChainStore(kv, MEMBERS.genesis)


@pytest.fixture
def source() -> ChainStore:
    return grown()


@pytest.fixture
def joined(source: ChainStore, tmp_path: Path) -> ChainStore:
    manifest = cut(source, tmp_path / "cut")
    assert manifest.depth >= 2
    verify_manifest(manifest, MEMBERS.genesis)
    return installed(manifest, ranges_in(tmp_path / "cut", manifest))


def test_the_joined_chain_has_state_tree_and_log_of_the_other(source: ChainStore, joined: ChainStore) -> None:
    check_joined(joined, source)
    assert joined.base == CHECKPOINT
    root, records = state_tree.update(lambda _: None, dict(source.state.scan(b"")))
    assert root == joined.head.header.state_root
    assert all(joined.tree_record(place) == record for place, record in records.items())


def test_both_chains_grow_alike_and_later_entries_are_proved(source: ChainStore, joined: ChainStore) -> None:
    blocks = extend(MEMBERS, source.tip(), blocks=9, certified=range(9))
    source.append_many(blocks)
    for executed, certificate in blocks:
        joined.append(executed, certificate)
    check_joined(joined, source)
    light = LightClient(MEMBERS.genesis)
    base_header = source.header(joined.base)
    assert base_header is not None
    for height in range(CHECKPOINT + 1, joined.height() + 1):
        assert joined.block(Height(height)) == source.block(Height(height))
        assert joined.entries(Height(height)) == source.entries(Height(height))
    for index in range(base_header.log_size, joined.head.header.log_size):
        proof = joined.inclusion_proof(index, joined.height())
        assert proof == source.inclusion_proof(index, source.height())
        entry = light.verify_entry(proof)
        assert isinstance(entry, TransactionEntry)
        assert joined.find_transaction(entry.signed.transaction.id) == index


def test_what_was_never_here_is_none_or_says_so(source: ChainStore, joined: ChainStore) -> None:
    for height in range(1, CHECKPOINT + 1):
        assert joined.block(Height(height)) is None
        with pytest.raises(BelowSnapshot, match="expected a height above this node's snapshot, 6"):
            joined.entries(Height(height))
        with pytest.raises(BelowSnapshot):
            joined.check_above_base(Height(height))
    assert joined.header(Height(CHECKPOINT)) == source.head.header
    assert joined.header(Height(1)) is None
    assert joined.entry(0) is None
    with pytest.raises(BelowSnapshot, match="log index"):
        joined.inclusion_proof(0, Height(CHECKPOINT))
    with pytest.raises(BelowSnapshot):
        joined.inclusion_proof(0, Height(2))
    with pytest.raises(NotAppended, match="expected a height from 0 to 6"):
        joined.entries(Height(7))
    joined.check_above_base(Height(0))
    assert joined.block(Height(0)) == source.block(Height(0))


def test_a_chain_from_genesis_has_no_base(source: ChainStore) -> None:
    assert source.base == 0
    source.check_above_base(Height(1))


def test_a_joined_chain_opens_again(source: ChainStore, tmp_path: Path) -> None:
    manifest = cut(source, tmp_path / "cut")
    kv = MemoryStore()
    write_snapshot(kv, manifest, ranges_in(tmp_path / "cut", manifest), MEMBERS.genesis)
    store = ChainStore(kv, MEMBERS.genesis)
    grow(MEMBERS, store, 2)
    again = ChainStore(MemoryStore(kv.values), MEMBERS.genesis)
    assert (again.height(), again.base) == (CHECKPOINT + 2, CHECKPOINT)


def test_a_joined_node_can_hand_the_next_snapshot_on(joined: ChainStore, tmp_path: Path) -> None:
    grow(MEMBERS, joined, 2)
    manifest = cut(joined, tmp_path / "next")
    third = installed(manifest, ranges_in(tmp_path / "next", manifest))
    check_joined(third, joined)


def in_a_second_era(*, checkpoint_ends_it: bool = False) -> ChainStore:
    store = grown(2)
    successors = tuple(
        replace(member, organisation=f"{member.organisation}-b") for member in _members(store, Era(0)).members
    )
    executed = ending_era(store.tip(), successors, Era(1), members=MEMBERS)
    store.append(executed, certify(MEMBERS, executed.block.header))
    if not checkpoint_ends_it:
        grow(MEMBERS, store, 3)
    return store


def _members(store: ChainStore, era: Era) -> ValidatorSet:
    found = store.validator_set(era)
    assert found is not None
    return found


@pytest.mark.parametrize("checkpoint_ends_it", [False, True])
def test_eras_are_known_after_joining(tmp_path: Path, checkpoint_ends_it: bool) -> None:  # noqa: FBT001
    source = in_a_second_era(checkpoint_ends_it=checkpoint_ends_it)
    manifest = cut(source, tmp_path / "cut")
    light = verify_manifest(manifest, MEMBERS.genesis)
    joined = installed(manifest, ranges_in(tmp_path / "cut", manifest))
    check_joined(joined, source)
    assert joined.header(Height(3)) == source.header(Height(3))
    for store in (source, joined):
        grow(MEMBERS, store, 2)
        assert [store.era_start(Era(era)) for era in (0, 1)] == [1, 4]
        assert _members(store, Era(1)).digest == store.head.header.validators
    if not checkpoint_ends_it:
        light.verify_header(joined.head.header, joined.head.certificate)


def test_ranges_that_are_not_those_of_the_manifest_are_refused(source: ChainStore, tmp_path: Path) -> None:
    manifest = cut(source, tmp_path / "cut")
    ranges = ranges_in(tmp_path / "cut", manifest)
    for forged in ([StateRange(pairs=()), *ranges[1:]], ranges[::-1]):
        with pytest.raises(InvalidProof):
            installed(manifest, forged)
    with pytest.raises(SnapshotUnusable):
        installed(manifest, [])


def test_an_interrupted_database_is_no_chain(source: ChainStore, tmp_path: Path) -> None:
    manifest = cut(source, tmp_path / "cut")
    ranges = ranges_in(tmp_path / "cut", manifest)
    kv = MemoryStore()

    def breaking_off() -> list[StateRange]:
        return [*ranges[:-1], StateRange(pairs=())]

    with pytest.raises(InvalidProof):
        write_snapshot(kv, manifest, breaking_off(), MEMBERS.genesis)
    assert kv.get(b"head") is None
    assert kv.get(b"schema") is None


@settings(deadline=None, max_examples=25)
@given(
    state=st.dictionaries(st.binary(max_size=9), st.binary(max_size=60), min_size=1, max_size=80),
    range_bytes=st.integers(100, 2_000),
    group_bytes=st.integers(200, 4_000),
)
def test_any_state_is_cut_in_groups_as_it_is_at_once(
    tmp_path_factory: pytest.TempPathFactory, state: dict[bytes, bytes], range_bytes: int, group_bytes: int
) -> None:
    root = state_tree.root(tree_of(state).read)
    results = []
    for size in (group_bytes, 2**30):
        folder = tmp_path_factory.mktemp("cut")
        with (folder / "pairs").open("wb") as file:
            write_pairs(file, sorted(state.items()))
        assert dict(read_pairs(folder / "pairs")) == state
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snapshot_cutting, "GROUP_BYTES", size)
            roots = cut_state(folder / "pairs", folder, root, range_bytes=range_bytes)
        (folder / "pairs").unlink()
        results.append((roots, {file.name: file.read_bytes() for file in folder.iterdir()}))
    assert results[0] == results[1]
    assert len(results[0][1]) == len(results[0][0])


def test_one_large_value_does_not_cut_the_state_to_pieces(tmp_path: Path) -> None:
    state = {b"large": bytes(10_000), **{b"small %d" % number: b"value" for number in range(50)}}
    with (tmp_path / "pairs").open("wb") as file:
        write_pairs(file, state.items())
    roots = cut_state(tmp_path / "pairs", tmp_path, state_tree.root(tree_of(state).read), range_bytes=500)
    assert len(roots) == 1


def test_pairs_of_another_state_are_not_cut(source: ChainStore, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    with pairs.open("wb") as file:
        write_pairs(file, [(b"key", b"value")])
    with pytest.raises(InvalidProof, match="state root of a snapshot"):
        cut_state(pairs, tmp_path, source.head.header.state_root)


def test_a_range_that_nobody_would_fetch_is_not_written(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    with pairs.open("wb") as file:
        write_pairs(file, [(b"key", bytes(RANGE_BYTES_MAX))])
    with pytest.raises(TooLarge, match="range of the state"):
        cut_state(pairs, tmp_path, Digest(bytes(32)))


def test_pairs_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    pairs = [(b"", b""), (b"a", bytes(70_000)), (state_keys.PARAMETERS, encode((1, 2)))]
    file = io.BytesIO()
    assert write_pairs(file, pairs) == len(file.getvalue())
    (tmp_path / "pairs").write_bytes(file.getvalue())
    assert list(read_pairs(tmp_path / "pairs")) == pairs
