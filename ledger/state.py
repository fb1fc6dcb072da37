"""The state map as execution sees it: reads of what is, and an overlay of what a block would change."""

from collections.abc import Iterator, Mapping
from heapq import merge
from typing import Protocol


class StateView(Protocol):
    """A map from bytes to bytes, ordered by key."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in ascending order of key."""
        ...


class MemoryState:
    """A state map held in a dictionary: tests, the simulator, and the offline verifier."""

    def __init__(self, values: dict[bytes, bytes] | None = None) -> None:
        self.values = dict(values or {})

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self.values.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in ascending order of key."""
        yield from sorted((key, value) for key, value in self.values.items() if key.startswith(prefix))

    def apply(self, writes: dict[bytes, bytes | None]) -> None:
        """Carry out a block's writes (None deletes)."""
        for key, value in writes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value


class Overlay:
    """Changes on top of another view, which stays as it is: what a block does before anybody has voted for it."""

    def __init__(self, base: StateView) -> None:
        self.base = base
        self.writes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key as changed here, else as it is below."""
        if key in self.writes:
            return self.writes[key]
        return self.base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self.writes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key; no error if there is none."""
        self.writes[key] = None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in ascending order of key.

        The changes made before the first pair is taken are in it; those made while scanning are not.
        """
        changed = {key: value for key, value in self.writes.items() if key.startswith(prefix)}
        yield from _merged(self.base.scan(prefix), changed)


def _merged(
    below: Iterator[tuple[bytes, bytes]], changed: Mapping[bytes, bytes | None]
) -> Iterator[tuple[bytes, bytes]]:
    """Return the pairs below with changes put over them, in ascending order of key."""
    if not changed:
        return below
    kept = ((key, value) for key, value in below if key not in changed)
    present = ((key, value) for key, value in sorted(changed.items()) if value is not None)
    return merge(kept, present)
