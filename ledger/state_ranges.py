"""The state in ranges, each of which can be checked by itself: what a snapshot is cut into.

A range holds every pair whose path begins with the same `depth` bits: a subtree of the state tree (`state_tree`). The
roots of all 2^depth ranges lead to the state root, so a header that is trusted makes the roots trusted, and a root its
range, whoever sends either. The tree's own rule makes one case special: a subtree with one leaf *is* that leaf and
rises to where its sibling is not empty. A root therefore says which kind it is; a leaf says its path and value digest,
so that neither an inner node nor a leaf of another range can pass for it.
"""

from collections.abc import Sequence
from typing import TypeAlias

from ledger import state_tree
from ledger.encoding import Noun
from ledger.errors import InvalidProof
from ledger.hashing import ZERO_DIGEST, Digest, DigestField, sha256
from ledger.state_tree import Inner, Leaf, Writes, build, position

DEPTH_MAX = 16
"""Most bits: 65,536 ranges."""


class LeafRoot(Noun, frozen=True, kw_only=True, tag=1):
    """Root of a range with one pair."""

    path: DigestField
    value: DigestField
    """SHA-256 of the value."""

    @property
    def leaf(self) -> Leaf:
        """Return it as the tree's."""
        return Leaf(self.path, self.value)


class NodeRoot(Noun, frozen=True, kw_only=True, tag=2):
    """Root of a range with several pairs."""

    node: DigestField
    """Hash of the inner node."""


RangeRoot: TypeAlias = LeafRoot | NodeRoot | None
"""Root of a range; None for no pair at all."""


class StateRange(Noun, frozen=True, kw_only=True):
    """The pairs of one range."""

    pairs: tuple[tuple[bytes, bytes], ...]
    """(key, value) in strictly ascending order of path."""


def range_of(path: Digest, depth: int) -> int:
    """Return the number of the range in which a path lies."""
    return int.from_bytes(path[:2], "big") >> (DEPTH_MAX - depth)


def depth_of(roots: Sequence[RangeRoot]) -> int:
    """Return the depth of so many ranges; raises InvalidProof unless they are a power of two up to 2^16."""
    depth = len(roots).bit_length() - 1
    if not 0 <= depth <= DEPTH_MAX or len(roots) != 1 << depth:
        raise InvalidProof("ranges of the state", expected=f"a power of two up to {1 << DEPTH_MAX}", got=len(roots))
    return depth


def build_range(pairs: Sequence[tuple[bytes, bytes]], *, depth: int, index: int) -> tuple[RangeRoot, Writes]:
    """Return the root of a range and the tree records below it; a single leaf is recorded by `join_ranges`.

    Raises InvalidProof where a pair lies outside the range or not above the one before it.
    """
    leaves: list[tuple[Digest, Digest]] = []
    before = b""
    for key, value in pairs:
        path = state_tree.path_of(key)
        if range_of(path, depth) != index:
            raise InvalidProof(
                f"pair of range {index} of {1 << depth}", expected="a path within it", got=f"{path.hex()}"
            )
        if path <= before:
            raise InvalidProof(f"pairs of range {index}", expected="strictly ascending paths", got=path.hex())
        before = path
        leaves.append((path, sha256(value)))
    if not leaves:
        return None, {}
    writes: Writes = {}
    record = build(depth, leaves, writes)
    if len(leaves) == 1:
        path, value = leaves[0]
        return LeafRoot(path=path, value=value), {}
    return NodeRoot(node=sha256(record)), writes


def verify_range(root: RangeRoot, pairs: Sequence[tuple[bytes, bytes]], *, depth: int, index: int) -> Writes:
    """Return the tree records of a range; raises InvalidProof unless its pairs are exactly those under `root`."""
    found, writes = build_range(pairs, depth=depth, index=index)
    if found != root:
        raise InvalidProof(f"root of range {index} of {1 << depth}", expected=_text(root), got=_text(found))
    return writes


def join_ranges(roots: Sequence[RangeRoot]) -> tuple[Digest, Writes]:
    """Return the state root that range roots lead to, and the tree records at and above them.

    Raises InvalidProof for another number than a power of two, or a leaf outside its range.
    """
    depth = depth_of(roots)
    for index, root in enumerate(roots):
        if isinstance(root, LeafRoot) and range_of(root.path, depth) != index:
            raise InvalidProof(f"leaf of range {index} of {1 << depth}", expected="a path within it", got=_text(root))
    writes: Writes = {}
    level: list[RangeRoot] = list(roots)
    for above in range(depth - 1, -1, -1):
        level = [_join(level[at], level[at + 1], above, at >> 1, writes) for at in range(0, len(level), 2)]
    (top,) = level
    _record_leaf(top, 0, writes)
    return _hash(top), writes


def verify_ranges(state_root: Digest, roots: Sequence[RangeRoot]) -> None:
    """Raise InvalidProof unless the range roots lead to the state root of a header."""
    found, _ = join_ranges(roots)
    if found != state_root:
        raise InvalidProof("state root of the ranges", expected=state_root.hex(), got=found.hex())


def _join(left: RangeRoot, right: RangeRoot, depth: int, index: int, writes: Writes) -> RangeRoot:
    """Return the root over two halves, the subtree number `index` of those at `depth`."""
    for half, other in ((left, right), (right, left)):
        if half is None and not isinstance(other, NodeRoot):
            return other
    for half in (left, right):
        _record_leaf(half, depth + 1, writes)
    node = Inner(_hash(left), _hash(right))
    path = Digest((index << (256 - depth)).to_bytes(32, "big"))
    writes[position(depth, path)] = node.record()
    return NodeRoot(node=node.hash())


def _record_leaf(root: RangeRoot, depth: int, writes: Writes) -> None:
    if isinstance(root, LeafRoot):
        writes[position(depth, root.path)] = root.leaf.record()


def _hash(root: RangeRoot) -> Digest:
    if root is None:
        return ZERO_DIGEST
    return root.leaf.hash() if isinstance(root, LeafRoot) else root.node


def _text(root: RangeRoot) -> str:
    if root is None:
        return "no leaf"
    return f"leaf {root.path.hex()}" if isinstance(root, LeafRoot) else f"node {root.node.hex()}"
