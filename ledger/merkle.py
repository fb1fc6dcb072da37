"""RFC 6962 Merkle trees: the log of all entries, the transactions of a block, the votes of a bundle, a round's inputs.

Leaves hash with prefix 0x00 and nodes with 0x01, so a leaf can never pass for a node (RFC 6962, 2.1). `Frontier` is the
growing log in logarithmic space; the node that keeps every completed subtree can prove any leaf against any size.
"""

from collections.abc import Callable, Iterable, Sequence

from ledger.encoding import Noun
from ledger.errors import InvalidProof, MalformedEncoding
from ledger.hashing import Digest, DigestField, sha256
from ledger.quantities import U63

LEAF = b"\x00"
NODE = b"\x01"
EMPTY_ROOT = sha256(b"")
"""Root of the tree with no leaves (RFC 6962, 2.1)."""


def leaf_hash(data: bytes) -> Digest:
    """Return the hash of a leaf that holds `data`."""
    return sha256(LEAF + data)


def node_hash(left: Digest, right: Digest) -> Digest:
    """Return the hash of the node over two subtrees."""
    return sha256(NODE + left + right)


class Frontier(Noun, frozen=True, kw_only=True):
    """The right edge of a growing tree: what appending and the root need, in logarithmic space."""

    size: U63 = 0
    """Leaves so far."""
    peaks: tuple[DigestField, ...] = ()
    """Roots of the maximal complete subtrees, from left (largest) to right; `size` and root fix them."""

    def __post_init__(self) -> None:
        """Raise MalformedEncoding unless there is a peak for each one bit of the size."""
        if len(self.peaks) != self.size.bit_count():
            raise MalformedEncoding(
                f"peaks of a frontier of {self.size} leaves", expected=self.size.bit_count(), got=len(self.peaks)
            )

    def root(self) -> Digest:
        """Return the root over all leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def nodes(self) -> list[tuple[int, int, Digest]]:
        """Return the peaks as `append` returns subtrees: what proofs about later leaves need of the earlier ones."""
        levels = [level for level in range(self.size.bit_length() - 1, -1, -1) if self.size >> level & 1]
        # a peak is the last complete subtree of its level
        return [(level, (self.size >> level) - 1, peak) for level, peak in zip(levels, self.peaks, strict=True)]

    def append(self, *leaves: Digest) -> tuple["Frontier", list[tuple[int, int, Digest]]]:
        """Append leaf hashes; also return the subtrees that this completes, as (level, index, root)."""
        peaks, size = list(self.peaks), self.size
        completed: list[tuple[int, int, Digest]] = []
        for leaf in leaves:
            level, index, carry = 0, size, leaf
            completed.append((level, index, carry))
            while index & 1:
                carry = node_hash(peaks.pop(), carry)
                level, index = level + 1, index >> 1
                completed.append((level, index, carry))
            peaks.append(carry)
            size += 1
        return Frontier(size=size, peaks=tuple(peaks)), completed


class Tree:
    """A whole tree that is not going to grow: its root, and the path of each leaf, hashed once."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Iterable[bytes]) -> None:
        """Hash `leaves` (their data). A node without a sibling moves up as it is, which is RFC 6962's shape."""
        level = [leaf_hash(leaf) for leaf in leaves]
        self._levels = [level]
        while len(level) > 1:
            above = [node_hash(level[place - 1], level[place]) for place in range(1, len(level), 2)]
            if len(level) & 1:
                above.append(level[-1])
            level = above
            self._levels.append(level)

    @property
    def root(self) -> Digest:
        """Return the root over all leaves."""
        return self._levels[-1][0] if self._levels[-1] else EMPTY_ROOT

    def path(self, index: int) -> tuple[Digest, ...]:
        """Return the path from leaf `index` to the root."""
        assert 0 <= index < len(self._levels[0])
        path: list[Digest] = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index >>= 1
        return tuple(path)


def root(leaves: Iterable[bytes]) -> Digest:
    """Return the root of the tree over `leaves` (their data, not their hashes)."""
    return Tree(leaves).root


def prove(leaves: Sequence[bytes], index: int) -> tuple[Digest, ...]:
    """Return the path from leaf `index` to the root of `leaves`."""
    return Tree(leaves).path(index)


def inclusion_path(index: int, size: int, node: Callable[[int, int], Digest]) -> tuple[Digest, ...]:
    """Return the path from leaf `index` to the root of the first `size` leaves (RFC 6962, 2.1.1).

    `node(level, place)` is the root of the complete subtree over leaves [place * 2^level, (place + 1) * 2^level).
    """
    assert 0 <= index < size
    path: list[Digest] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _largest_power_below(end - start)
        if index < split:
            path.append(_subtree_root(split, end, node))
            end = split
        else:
            path.append(_subtree_root(start, split, node))
            start = split
    return tuple(reversed(path))


def _subtree_root(start: int, end: int, node: Callable[[int, int], Digest]) -> Digest:
    """Return the root over leaves [start, end), where `start` is a multiple of a power of two not below the length."""
    length = end - start
    if length & (length - 1) == 0:
        level = length.bit_length() - 1
        return node(level, start >> level)
    split = start + _largest_power_below(length)
    return node_hash(_subtree_root(start, split, node), _subtree_root(split, end, node))


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def root_from_path(leaf: Digest, *, index: int, size: int, path: Sequence[Digest]) -> Digest:
    """Return the root that `path` leads to from the leaf hash (RFC 9162, 2.1.3.2).

    Raises InvalidProof when the index lies outside the tree or the path has another length than its position demands.
    """
    if not 0 <= index < size:
        raise InvalidProof("leaf index", expected=f"0..{size - 1}", got=index)
    place, last, value = index, size - 1, leaf
    steps = iter(path)
    taken = 0
    for sibling in steps:
        taken += 1
        if last == 0:
            raise InvalidProof("inclusion path", expected=f"{taken - 1} digests", got=f"{len(path)}")
        if place & 1 or place == last:
            value = node_hash(sibling, value)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise InvalidProof("inclusion path", expected=f"more than {taken} digests", got=f"{len(path)}")
    return value


def verify_inclusion(leaf: Digest, *, index: int, size: int, path: Sequence[Digest], root: Digest) -> None:
    """Raise InvalidProof unless `path` leads from the leaf hash at `index` to `root` of a tree of `size` leaves."""
    reached = root_from_path(leaf, index=index, size=size, path=path)
    if reached != root:
        raise InvalidProof("root of the inclusion proof", expected=root.hex(), got=reached.hex())
