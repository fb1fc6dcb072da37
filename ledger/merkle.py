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

    def append(self, leaf: Digest) -> tuple["Frontier", list[tuple[int, int, Digest]]]:
        """Append a leaf hash; also return the subtrees this completes, as (level, index, root)."""
        peaks = list(self.peaks)
        completed = [(0, self.size, leaf)]
        level, index, carry = 0, self.size, leaf
        while index & 1:
            carry = node_hash(peaks.pop(), carry)
            level, index = level + 1, index >> 1
            completed.append((level, index, carry))
        peaks.append(carry)
        return Frontier(size=self.size + 1, peaks=tuple(peaks)), completed


def root(leaves: Iterable[bytes]) -> Digest:
    """Return the root of the tree over `leaves` (their data, not their hashes)."""
    frontier = Frontier()
    for leaf in leaves:
        frontier, _ = frontier.append(leaf_hash(leaf))
    return frontier.root()


def prove(leaves: Sequence[bytes], index: int) -> tuple[Digest, ...]:
    """Return the path from leaf `index` to the root of `leaves`."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    completed: dict[tuple[int, int], Digest] = {}
    frontier = Frontier()
    for value in hashes:
        frontier, nodes = frontier.append(value)
        completed.update(((level, place), node) for level, place, node in nodes)
    return inclusion_path(index, len(leaves), lambda level, place: completed[level, place])


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
