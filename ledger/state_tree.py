"""Compact sparse Merkle tree over the chain's state: one root that proves both presence and absence of any key.

The path of a key is its SHA-256. A subtree with no leaf hashes to 32 zero bytes, a subtree with exactly one leaf *is*
that leaf wherever it stands, and any other is the node over its two halves; leaves hash with prefix 0x00 and nodes with
0x01. Records are kept by position (depth and path prefix), so a block rewrites only what it touched and nothing is left
behind. All functions are pure: they read through a callable and return what is to be written.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from ledger.encoding import Noun
from ledger.errors import InvalidProof
from ledger.hashing import ZERO_DIGEST, Digest, DigestField, sha256
from ledger.merkle import LEAF, NODE

PATH_BITS = 256

Reader: TypeAlias = Callable[[bytes], bytes | None]
"""Record at a position, or None."""
Writes: TypeAlias = dict[bytes, bytes | None]
"""Record to keep at each position; None deletes."""


class Leaf(NamedTuple):
    """The one key of a subtree."""

    path: Digest
    """SHA-256 of the key."""
    value: Digest
    """SHA-256 of the value."""

    def hash(self) -> Digest:
        """Return the hash of the subtree that is this leaf."""
        return sha256(LEAF + self.path + self.value)

    def record(self) -> bytes:
        """Return the bytes kept at its position."""
        return LEAF + self.path + self.value


class Inner(NamedTuple):
    """A subtree with at least two leaves."""

    left: Digest
    right: Digest

    def hash(self) -> Digest:
        """Return the hash of this subtree."""
        return sha256(NODE + self.left + self.right)

    def record(self) -> bytes:
        """Return the bytes kept at its position."""
        return NODE + self.left + self.right


Node: TypeAlias = Leaf | Inner | None


class StateProof(Noun, frozen=True, kw_only=True):
    """Path from the root to where a key is, or would be."""

    siblings: Annotated[tuple[DigestField, ...], Meta(max_length=PATH_BITS)]
    """Hashes of the other half at each step, from the root downwards."""
    leaf: tuple[DigestField, DigestField] | None
    """(path, value digest) of the leaf found there: the key's own, another's, or none."""


def path_of(key: bytes) -> Digest:
    """Return the place of a key in the tree."""
    return sha256(key)


def update(read: Reader, changes: Mapping[bytes, bytes | None]) -> tuple[Digest, Writes]:
    """Apply `changes` (key to value, None deletes); return the new root and the records to write."""
    writes: Writes = {}
    leaves = {path_of(key): None if value is None else sha256(value) for key, value in changes.items()}
    return _hash(_update(read, 0, leaves, writes)), writes


def root(read: Reader) -> Digest:
    """Return the root of the tree as it is."""
    return _hash(_read(read, position(0, ZERO_DIGEST)))


def prove(read: Reader, key: bytes) -> StateProof:
    """Return the proof that `key` has its value, or that it has none."""
    path = path_of(key)
    siblings: list[Digest] = []
    node = _read(read, position(0, path))
    while isinstance(node, Inner):
        depth = len(siblings)
        right = _bit(path, depth)
        siblings.append(node.left if right else node.right)
        node = _read(read, position(depth + 1, path))
    return StateProof(siblings=tuple(siblings), leaf=None if node is None else (node.path, node.value))


def verify_presence(root: Digest, key: bytes, value: bytes, proof: StateProof) -> None:
    """Raise InvalidProof unless `proof` shows that the state under `root` maps `key` to `value`."""
    expected = (path_of(key), sha256(value))
    if proof.leaf != expected:
        raise InvalidProof(
            "state proof of presence", expected=f"leaf {expected[0].hex()} with this value", got=_leaf_text(proof)
        )
    _verify_root(root, path_of(key), proof)


def verify_absence(root: Digest, key: bytes, proof: StateProof) -> None:
    """Raise InvalidProof unless `proof` shows that the state under `root` has no such key."""
    path = path_of(key)
    if proof.leaf is not None and proof.leaf[0] == path:
        raise InvalidProof("state proof of absence", expected=f"no leaf {path.hex()}", got="that leaf")
    _verify_root(root, path, proof)


def _verify_root(root: Digest, path: Digest, proof: StateProof) -> None:
    depth = len(proof.siblings)
    if depth > PATH_BITS:
        raise InvalidProof("state proof", expected=f"at most {PATH_BITS} siblings", got=depth)
    if proof.leaf is not None and _prefix(proof.leaf[0], depth) != _prefix(path, depth):
        raise InvalidProof("state proof", expected=f"a leaf below {depth} bits of {path.hex()}", got=_leaf_text(proof))
    value = _hash(None if proof.leaf is None else Leaf(*proof.leaf))
    for step in range(depth - 1, -1, -1):
        sibling = proof.siblings[step]
        value = Inner(sibling, value).hash() if _bit(path, step) else Inner(value, sibling).hash()
    if value != root:
        raise InvalidProof("root of the state proof", expected=root.hex(), got=value.hex())


def _leaf_text(proof: StateProof) -> str:
    return "no leaf" if proof.leaf is None else f"leaf {proof.leaf[0].hex()}"


def _update(read: Reader, depth: int, changes: dict[Digest, Digest | None], writes: Writes) -> Node:
    """Apply changes that all lie below one position; write the records from there downwards."""
    anywhere = next(iter(changes), None)
    here = position(depth, anywhere or ZERO_DIGEST)
    node = _read(read, here)
    if anywhere is None:
        return node
    if isinstance(node, Inner):
        return _update_inner(read, depth, node, changes, writes)
    leaves = {path: value for path, value in changes.items() if value is not None}
    if node is not None and node.path not in changes:
        leaves[node.path] = node.value
    if not leaves:
        if node is not None:
            writes[here] = None
        return None
    return build(depth, leaves, writes)


def _update_inner(read: Reader, depth: int, node: Inner, changes: dict[Digest, Digest | None], writes: Writes) -> Node:
    path = next(iter(changes))
    here = position(depth, path)
    halves: list[Node] = []
    hashes = [node.left, node.right]
    places = [position(depth + 1, _with_bit(path, depth, bit)) for bit in (0, 1)]
    for bit in (0, 1):
        below = {path: value for path, value in changes.items() if _bit(path, depth) == bit}
        if below:
            half = _update(read, depth + 1, below, writes)
            hashes[bit] = _hash(half)
        else:
            half = _read(read, places[bit])
        halves.append(half)
    for bit in (0, 1):
        other = halves[1 - bit]
        if halves[bit] is None and not isinstance(other, Inner):
            writes[places[bit]] = writes[places[1 - bit]] = None
            writes[here] = None if other is None else other.record()
            return other
    result = Inner(hashes[0], hashes[1])
    writes[here] = result.record()
    return result


def build(depth: int, leaves: Mapping[Digest, Digest], writes: Writes) -> Leaf | Inner:
    """Write a subtree from at least one leaf (path to value digest), where no inner record stands yet."""
    path = next(iter(leaves))
    node: Leaf | Inner
    if len(leaves) == 1:
        node = Leaf(path, leaves[path])
    else:
        hashes = []
        for bit in (0, 1):
            below = {path: value for path, value in leaves.items() if _bit(path, depth) == bit}
            hashes.append(build(depth + 1, below, writes).hash() if below else ZERO_DIGEST)
        node = Inner(hashes[0], hashes[1])
    writes[position(depth, path)] = node.record()
    return node


def _read(read: Reader, place: bytes) -> Node:
    record = read(place)
    if record is None:
        return None
    first, second = Digest(record[1:33]), Digest(record[33:65])
    return Leaf(first, second) if record[:1] == LEAF else Inner(first, second)


def _hash(node: Node) -> Digest:
    return ZERO_DIGEST if node is None else node.hash()


def _bit(path: Digest, depth: int) -> int:
    return path[depth >> 3] >> (7 - (depth & 7)) & 1


def _with_bit(path: Digest, depth: int, bit: int) -> Digest:
    changed = bytearray(path)
    mask = 1 << (7 - (depth & 7))
    changed[depth >> 3] = changed[depth >> 3] & ~mask | (mask if bit else 0)
    return Digest(bytes(changed))


def _prefix(path: Digest, depth: int) -> bytes:
    """Return the first `depth` bits of a path, the last byte padded with zero bits."""
    whole, rest = depth >> 3, depth & 7
    if not rest:
        return path[:whole]
    return path[:whole] + bytes([path[whole] & (0xFF00 >> rest & 0xFF)])


def position(depth: int, path: Digest) -> bytes:
    """Return the key under which the record of the subtree at `depth` above `path` is kept."""
    return depth.to_bytes(2, "big") + _prefix(path, depth)
