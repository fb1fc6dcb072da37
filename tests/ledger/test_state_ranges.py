"""Ranges against the whole tree: the same root and the same records at every depth, and everything else refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidProof
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.state_ranges import (
    DEPTH_MAX,
    LeafRoot,
    NodeRoot,
    RangeRoot,
    build_range,
    depth_of,
    join_ranges,
    range_of,
    verify_range,
    verify_ranges,
)
from ledger.state_tree import Writes, path_of, root
from tests.ledger.helpers import digest
from tests.ledger.state_trees import State, keys_as_paths, tree_of

Pairs = tuple[tuple[bytes, bytes], ...]

keys = st.builds(
    lambda first, last: bytes([first]) + bytes(30) + bytes([last]),
    st.integers(0, 255) | st.sampled_from([0, 1, 128]),
    st.sampled_from([0, 1, 2, 255]),
)
"""As paths they meet in few ranges, at every depth, and share up to 255 bits."""
states = st.dictionaries(keys, st.binary(max_size=2), max_size=24)
depths = st.integers(0, 9)
SOME_STATE = {f"key {number}".encode(): f"value {number}".encode() for number in range(60)}
DEPTH = 3


def cut(state: State, depth: int, order: dict[bytes, Digest] | None = None) -> list[Pairs]:
    """Return the pairs of every range."""
    paths = order or {key: path_of(key) for key in state}
    ranges: list[list[tuple[bytes, bytes]]] = [[] for _ in range(1 << depth)]
    for key in sorted(state, key=lambda one: paths[one]):
        ranges[range_of(paths[key], depth)].append((key, state[key]))
    return [tuple(pairs) for pairs in ranges]


def build_all(ranges: list[Pairs], depth: int) -> tuple[list[RangeRoot], Writes]:
    roots: list[RangeRoot] = []
    writes: Writes = {}
    for index, pairs in enumerate(ranges):
        found, below = build_range(pairs, depth=depth, index=index)
        roots.append(found)
        writes.update(below)
    return roots, writes


RANGES = cut(SOME_STATE, DEPTH)
ROOTS, _ = build_all(RANGES, DEPTH)
STATE_ROOT = root(tree_of(SOME_STATE).read)


@settings(deadline=None, max_examples=200)
@given(state=states, depth=depths)
def test_ranges_give_the_root_and_the_records_of_the_whole_tree(state: State, depth: int) -> None:
    with keys_as_paths():
        whole = tree_of(state)
        ranges = cut(state, depth, {key: Digest(key) for key in state})
        roots, writes = build_all(ranges, depth)
        reached, above = join_ranges(roots)
        verify_ranges(root(whole.read), roots)
        for index, pairs in enumerate(ranges):
            assert verify_range(roots[index], pairs, depth=depth, index=index).items() <= writes.items()
    assert reached == root(whole.read)
    assert {**writes, **above} == whole.kept
    assert len(writes) + len(above) == len(whole.kept), "no record is written twice"


@settings(deadline=None, max_examples=200)
@given(state=states, depth=depths, other=states)
def test_another_state_has_other_ranges(state: State, depth: int, other: State) -> None:
    with keys_as_paths():
        own, foreign = (cut(one, depth, {key: Digest(key) for key in one}) for one in (state, other))
        roots, _ = build_all(own, depth)
        for index, (mine, theirs) in enumerate(zip(own, foreign, strict=True)):
            if mine != theirs:
                with pytest.raises(InvalidProof):
                    verify_range(roots[index], theirs, depth=depth, index=index)


def refused(pairs: Pairs, *, index: int = 0, range_root: RangeRoot = ROOTS[0], depth: int = DEPTH) -> None:
    with pytest.raises(InvalidProof):
        verify_range(range_root, pairs, depth=depth, index=index)


def test_the_honest_range_is_accepted() -> None:
    assert len(RANGES[0]) > 2
    verify_range(ROOTS[0], RANGES[0], depth=DEPTH, index=0)
    verify_ranges(STATE_ROOT, ROOTS)


def test_a_missing_pair_is_refused() -> None:
    for place in range(len(RANGES[0])):
        refused(RANGES[0][:place] + RANGES[0][place + 1 :])


def test_an_extra_pair_is_refused() -> None:
    extra = next(key for key in (f"x{number}".encode() for number in range(99)) if range_of(path_of(key), DEPTH) == 0)
    refused(tuple(sorted((*RANGES[0], (extra, b"")), key=lambda pair: path_of(pair[0]))))


def test_a_changed_key_or_value_is_refused() -> None:
    (key, value), *rest = RANGES[0]
    refused(((key, value + b"!"), *rest))
    refused(((key + b"!", value), *rest))


def test_a_pair_moved_to_another_range_is_refused() -> None:
    moved = tuple(sorted((*RANGES[0], RANGES[1][0]), key=lambda pair: path_of(pair[0])))
    with pytest.raises(InvalidProof, match="pair of range 0 of 8: expected a path within it"):
        verify_range(ROOTS[0], moved, depth=DEPTH, index=0)


def test_a_range_under_another_number_or_depth_is_refused() -> None:
    refused(RANGES[1])
    refused(RANGES[0], index=1)
    refused(RANGES[0], depth=DEPTH + 1)
    refused(RANGES[0], depth=DEPTH - 1)


def test_pairs_twice_or_out_of_order_are_refused() -> None:
    first, second, *rest = RANGES[0]
    with pytest.raises(InvalidProof, match="pairs of range 0: expected strictly ascending paths"):
        verify_range(ROOTS[0], (first, first, second, *rest), depth=DEPTH, index=0)
    refused((second, first, *rest))


def test_no_pairs_for_a_full_range_and_pairs_for_an_empty_one_are_refused() -> None:
    refused(())
    refused(RANGES[0], range_root=None)
    verify_range(None, (), depth=DEPTH, index=0)


def test_another_root_of_a_range_does_not_lead_to_the_state_root() -> None:
    forgeries: list[RangeRoot] = [None, NodeRoot(node=digest("x")), NodeRoot(node=ZERO_DIGEST), ROOTS[1]]
    for forged in forgeries:
        with pytest.raises(InvalidProof):
            verify_ranges(STATE_ROOT, [forged, *ROOTS[1:]])


def test_ranges_that_change_places_are_refused() -> None:
    with pytest.raises(InvalidProof, match="state root of the ranges"):
        verify_ranges(STATE_ROOT, [ROOTS[1], ROOTS[0], *ROOTS[2:]])


def test_a_single_leaf_cannot_be_put_into_another_range() -> None:
    # The root of a state with one key is that leaf, so without its path nothing would say which range it is in.
    key, value = next(iter(SOME_STATE.items()))
    leaf = LeafRoot(path=path_of(key), value=sha256(value))
    state_root = leaf.leaf.hash()
    home = range_of(leaf.path, 1)
    honest: list[RangeRoot] = [None, None]
    honest[home] = leaf
    verify_ranges(state_root, honest)
    with pytest.raises(InvalidProof, match=f"leaf of range {1 - home} of 2"):
        verify_ranges(state_root, honest[::-1])
    with pytest.raises(InvalidProof):
        verify_ranges(state_root, [NodeRoot(node=state_root), None])


def test_an_inner_root_never_rises_past_an_empty_half() -> None:
    joined, _ = join_ranges([NodeRoot(node=digest("a")), NodeRoot(node=digest("b"))])
    with pytest.raises(InvalidProof):
        verify_ranges(joined, [NodeRoot(node=joined), None])


@pytest.mark.parametrize("count", [0, 3, 5, (1 << DEPTH_MAX) + 1, 1 << (DEPTH_MAX + 1)])
def test_a_number_of_ranges_that_is_no_power_of_two_is_refused(count: int) -> None:
    with pytest.raises(InvalidProof, match="ranges of the state: expected a power of two up to 65536"):
        join_ranges([None] * count)


def test_the_depth_follows_from_the_number_of_ranges() -> None:
    assert [depth_of([None] * count) for count in (1, 2, 8)] == [0, 1, 3]
    assert join_ranges([None] * 8) == (ZERO_DIGEST, {})
