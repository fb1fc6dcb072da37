"""A store for the records of a state tree, and the tree's definition in three lines."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger import state_tree
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.state_tree import Writes, update

State = dict[bytes, bytes]
Changes = dict[bytes, bytes | None]


class Records:
    """A key-value store that holds the records of a tree."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def read(self, place: bytes) -> bytes | None:
        return self.kept.get(place)

    def apply(self, changes: Changes) -> Digest:
        reached, writes = update(self.read, changes)
        self.write(writes)
        return reached

    def write(self, writes: Writes) -> None:
        for place, record in writes.items():
            if record is None:
                self.kept.pop(place, None)
            else:
                self.kept[place] = record


def tree_of(state: State) -> Records:
    records = Records()
    records.apply(dict(state))
    return records


def reference_root(state: State) -> bytes:
    """Apply the definition: nothing is zeros, one leaf is itself, more are the node over two halves."""
    return reference_subtree({state_tree.path_of(key): sha256(value) for key, value in state.items()}, 0)


def reference_subtree(leaves: dict[Digest, Digest], depth: int) -> bytes:
    if len(leaves) < 2:
        return next((sha256(b"\0" + path + value) for path, value in leaves.items()), ZERO_DIGEST)
    halves: list[dict[Digest, Digest]] = [{}, {}]
    for path, value in leaves.items():
        bits = f"{int.from_bytes(path, 'big'):0256b}"
        halves[int(bits[depth])][path] = value
    return sha256(b"\1" + reference_subtree(halves[0], depth + 1) + reference_subtree(halves[1], depth + 1))


@contextmanager
def keys_as_paths() -> Iterator[None]:
    """Let a key of 32 bytes be its own path, so that a test decides where in the tree it lies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_tree, "path_of", Digest)
        yield
