"""Compact sparse Merkle tree over the chain's state: one root that proves both presence and absence of any key.

The path of a key is its SHA-256. A subtree with no leaf hashes to 32 zero bytes, a subtree with exactly one leaf *is*
that leaf wherever it stands, and any other is the node over its two halves; leaves hash with prefix 0x00 and nodes with
0x01. Records, the very bytes that are hashed, are kept by position (depth and path prefix), so a block rewrites only
what it touched and nothing is left behind. All functions are pure: they read through a callable and return what is to
be written.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
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
Changes: TypeAlias = Sequence[tuple[Digest, Digest | None]]
"""(path, digest of the value; None deletes), in ascending order of path, each once."""


class Leaf(NamedTuple):
    """The one key of a subtree."""

    path: Digest
    """SHA-256 of the key."""
    value: Digest
    """SHA-256 of the value."""

    def hash(self) -> Digest:
        """Return the hash of the subtree that is this leaf."""
        return sha256(self.record())

    def record(self) -> bytes:
        """Return the bytes kept at its position."""
        return LEAF + self.path + self.value


class Inner(NamedTuple):
    """A subtree with at least two leaves."""

    left: Digest
    right: Digest

    def hash(self) -> Digest:
        """Return the hash of this subtree."""
        return sha256(self.record())

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
    leaves = sorted((path_of(key), None if value is None else sha256(value)) for key, value in changes.items())
    return _hash_of(_update(read, 0, leaves, writes)) if leaves else root(read), writes


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


def _update(read: Reader, depth: int, changes: Changes, writes: Writes) -> bytes | None:
    """Apply changes, at least one, that all lie below one position; return its record, having written from there down.

    The hash of a subtree is that of its record, and parents hold the hashes of both halves. So only what is changed is
    read, and its sibling where one half has become empty: then the other may move up.
    """
    here = position(depth, changes[0][0])
    record = read(here)
    if record is not None and record[:1] == NODE:
        return _update_inner(read, depth, record, changes, writes)
    leaves = [(path, value) for path, value in changes if value is not None]
    if record is not None and all(path != record[1:33] for path, _ in changes):
        insort(leaves, (Digest(record[1:33]), Digest(record[33:65])))
    if not leaves:
        if record is not None:
            writes[here] = None
        return None
    return build(depth, leaves, writes)


def _update_inner(read: Reader, depth: int, record: bytes, changes: Changes, writes: Writes) -> bytes | None:
    here = position(depth, changes[0][0])
    split = _split(changes, depth)
    halves: list[bytes | None] = [None, None]
    hashes = [record[1:33], record[33:65]]
    touched = (changes[:split], changes[split:])
    for bit in (0, 1):
        if not touched[bit]:
            continue
        if hashes[bit] == ZERO_DIGEST:
            fresh = [(path, value) for path, value in touched[bit] if value is not None]
            halves[bit] = build(depth + 1, fresh, writes) if fresh else None
        else:
            halves[bit] = _update(read, depth + 1, touched[bit], writes)
        hashes[bit] = _hash_of(halves[bit])
    if ZERO_DIGEST in hashes:
        places = [position(depth + 1, _with_bit(changes[0][0], depth, bit)) for bit in (0, 1)]
        full = 1 - hashes.index(ZERO_DIGEST)
        other = halves[full] if touched[full] else read(places[full])
        if other is None or other[:1] == LEAF:
            writes[places[0]] = writes[places[1]] = None
            writes[here] = other
            return other
    result = NODE + hashes[0] + hashes[1]
    writes[here] = result
    return result


def build(depth: int, leaves: Sequence[tuple[Digest, Digest]], writes: Writes) -> bytes:
    """Write a subtree where no inner record stands yet, from at least one leaf (path, value digest), sorted by path.

    Return its record.
    """
    path, value = leaves[0]
    if len(leaves) == 1:
        record = LEAF + path + value
    else:
        split = _split(leaves, depth)
        left, right = leaves[:split], leaves[split:]
        record = (
            NODE
            + _hash_of(build(depth + 1, left, writes) if left else None)
            + _hash_of(build(depth + 1, right, writes) if right else None)
        )
    writes[position(depth, path)] = record
    return record


def _split(changes: Sequence[tuple[Digest, object]], depth: int) -> int:
    """Return how many of the changes, sorted by path and alike above `depth`, lie in the left half."""
    index, mask = depth >> 3, 0x80 >> (depth & 7)
    if not changes[-1][0][index] & mask:
        return len(changes)
    if changes[0][0][index] & mask:
        return 0
    return bisect_left(changes, mask, key=lambda change: change[0][index] & mask)


def _hash_of(record: bytes | None) -> Digest:
    return ZERO_DIGEST if record is None else sha256(record)


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
    return path[:whole] + _LAST_BYTES[path[whole] & _MASKS[rest]] if rest else path[:whole]


def position(depth: int, path: Digest) -> bytes:
    """Return the key under which the record of the subtree at `depth` above `path` is kept."""
    return _DEPTHS[depth] + _prefix(path, depth)


_MASKS = [0xFF00 >> rest & 0xFF for rest in range(8)]
"""Which bits of a byte the first few are."""
_LAST_BYTES = [bytes([value]) for value in range(256)]
_DEPTHS = [depth.to_bytes(2, "big") for depth in range(PATH_BITS + 1)]
