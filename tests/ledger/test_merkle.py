"""RFC 6962 trees against the definition of the RFC, its published vectors, and forged proofs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import decode, encode
from ledger.errors import InvalidProof, MalformedEncoding
from ledger.hashing import Digest, sha256
from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    inclusion_path,
    leaf_hash,
    prove,
    root,
    root_from_path,
    verify_inclusion,
)
from tests.ledger.helpers import digest
from tests.ledger.rfc6962 import reference_path, reference_root, turns

SIZES = range(1, 18)
REFERENCE_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""Inputs of the test vectors that implementations of certificate transparency share."""
REFERENCE_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
REFERENCE_PATHS = (
    (0, 1, ()),
    (
        0,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        5,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (2, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (
        1,
        5,
        (
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)


def leaves_of(size: int) -> list[bytes]:
    return [f"leaf {number}".encode() for number in range(size)]


every_place = pytest.mark.parametrize(("index", "size"), [(index, size) for size in SIZES for index in range(size)])
some_places = pytest.mark.parametrize(
    ("index", "size"), [(index, size) for size in (1, 2, 3, 7, 8, 13) for index in range(size)]
)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert root(REFERENCE_LEAVES[:size]).hex() == REFERENCE_ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), REFERENCE_PATHS)
def test_paths_are_the_published_ones(index: int, size: int, path: tuple[str, ...]) -> None:
    assert tuple(step.hex() for step in prove(REFERENCE_LEAVES[:size], index)) == path


@settings(deadline=None)
@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert root(leaves) == reference_root(leaves)


@every_place
def test_a_path_is_that_of_the_definition_and_leads_to_the_root(index: int, size: int) -> None:
    leaves = leaves_of(size)
    path = prove(leaves, index)
    assert list(path) == reference_path(index, leaves)
    verify_inclusion(leaf_hash(leaves[index]), index=index, size=size, path=path, root=root(leaves))


@settings(deadline=None, max_examples=50)
@given(size=st.integers(1, 300), data=st.data())
def test_paths_of_larger_trees_lead_to_the_root(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    path = prove(leaves, index)
    assert root_from_path(leaf_hash(leaves[index]), index=index, size=size, path=path) == reference_root(leaves)


def test_an_old_tree_can_be_proved_from_the_subtrees_of_a_grown_one() -> None:
    leaves = leaves_of(40)
    frontier, nodes = Frontier(), {}
    for leaf in leaves:
        frontier, completed = frontier.append(leaf_hash(leaf))
        nodes.update({(level, place): value for level, place, value in completed})
    for size in range(1, 41):
        for index in range(size):
            path = inclusion_path(index, size, lambda level, place: nodes[level, place])
            assert list(path) == reference_path(index, leaves[:size])


def test_completed_subtrees_are_what_they_say() -> None:
    leaves = leaves_of(33)
    frontier = Frontier()
    for leaf in leaves:
        frontier, completed = frontier.append(leaf_hash(leaf))
        for level, place, value in completed:
            assert value == reference_root(leaves[place << level : (place + 1) << level])


@pytest.mark.parametrize("start", [0, 1, 5, 6, 8, 21])
def test_peaks_are_all_that_proofs_of_later_leaves_need_of_earlier_ones(start: int) -> None:
    leaves = [bytes([number]) for number in range(start + 20)]
    frontier = Frontier()
    for leaf in leaves[:start]:
        frontier, _ = frontier.append(leaf_hash(leaf))
    nodes = {(level, index): node for level, index, node in frontier.nodes()}
    assert all(node == root(leaves[index << level : index + 1 << level]) for (level, index), node in nodes.items())
    for size, leaf in enumerate(leaves[start:], start=start + 1):
        frontier, completed = frontier.append(leaf_hash(leaf))
        nodes.update(((level, index), node) for level, index, node in completed)
        for index in range(start, size):
            path = inclusion_path(index, size, lambda level, place: nodes[level, place])
            verify_inclusion(leaf_hash(leaves[index]), index=index, size=size, path=path, root=frontier.root())


def test_each_subtree_is_completed_once() -> None:
    frontier, seen = Frontier(), []
    for leaf in leaves_of(33):
        frontier, completed = frontier.append(leaf_hash(leaf))
        seen += [(level, place) for level, place, _ in completed]
    assert sorted(seen) == sorted((level, place) for level in range(6) for place in range(33 >> level))


def test_appending_leaves_the_old_frontier_as_it_is() -> None:
    before, _ = Frontier().append(digest("first"))
    before.append(digest("second"))
    assert before == Frontier(size=1, peaks=(digest("first"),))


def test_the_empty_frontier_has_the_empty_root() -> None:
    assert Frontier().root() == EMPTY_ROOT == sha256(b"")


@pytest.mark.parametrize(("size", "peaks"), [(0, 1), (1, 0), (1, 2), (2, 2), (3, 1), (5, 1), (8, 2), (2**63 - 1, 1)])
def test_a_frontier_needs_a_peak_for_each_one_bit_of_its_size(size: int, peaks: int) -> None:
    with pytest.raises(MalformedEncoding, match=rf"expected {size.bit_count()}, got {peaks}"):
        decode(encode((size, (digest("peak"),) * peaks)), Frontier)


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert root([b"left", b"right"]) != root([left + right])


@some_places
def test_another_index_is_refused(index: int, size: int) -> None:
    leaves = leaves_of(size)
    path = prove(leaves, index)
    for other in [-1, *range(size + 2), 2**63 - 1]:
        if other != index:
            with pytest.raises(InvalidProof):
                verify_inclusion(leaf_hash(leaves[index]), index=other, size=size, path=path, root=root(leaves))


@some_places
def test_another_size_is_refused_unless_the_leaf_would_hang_alike(index: int, size: int) -> None:
    # A path alone does not fix the size: headers and vote bundles commit to it beside the root.
    leaves = leaves_of(size)
    path = prove(leaves, index)
    for other in [-1, *range(2 * size + 2), 2**32, 2**63 - 1]:
        if index < other and turns(index, other) == turns(index, size):
            verify_inclusion(leaf_hash(leaves[index]), index=index, size=other, path=path, root=root(leaves))
        else:
            with pytest.raises(InvalidProof):
                verify_inclusion(leaf_hash(leaves[index]), index=index, size=other, path=path, root=root(leaves))


@some_places
def test_another_path_is_refused(index: int, size: int) -> None:
    leaves = leaves_of(size)
    path = list(prove(leaves, index))
    others = [[*path[:place], digest("forged"), *path[place + 1 :]] for place in range(len(path))]
    others += [[*path[:place], *path[place + 1 :]] for place in range(len(path))]
    others += [[*path[:place], digest("forged"), *path[place:]] for place in range(len(path) + 1)]
    others += [path[::-1]] if path[::-1] != path else []
    for other in others:
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf_hash(leaves[index]), index=index, size=size, path=other, root=root(leaves))


@some_places
def test_another_leaf_is_refused(index: int, size: int) -> None:
    leaves = leaves_of(size)
    with pytest.raises(InvalidProof, match="root of the inclusion proof: expected"):
        verify_inclusion(digest("x"), index=index, size=size, path=prove(leaves, index), root=root(leaves))


@pytest.mark.parametrize("steps", [0, 61, 62, 64, 1_000])
def test_an_absurd_size_wants_a_path_of_its_length(steps: int) -> None:
    path = [Digest(bytes(32))] * steps
    with pytest.raises(InvalidProof, match="inclusion path: expected"):
        root_from_path(digest("leaf"), index=0, size=2**63 - 1, path=path)


def test_the_longest_path_of_all_is_walked() -> None:
    path = [digest(f"step {step}") for step in range(63)]
    expected = digest("leaf")
    for step in path:
        expected = sha256(b"\1" + expected + step)
    assert root_from_path(digest("leaf"), index=0, size=2**63 - 1, path=path) == expected


def test_a_tree_without_leaves_holds_none() -> None:
    with pytest.raises(InvalidProof, match="leaf index"):
        verify_inclusion(digest("leaf"), index=0, size=0, path=(), root=EMPTY_ROOT)
