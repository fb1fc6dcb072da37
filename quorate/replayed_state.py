"""A state map for replaying long chains in memory: `ledger.state.MemoryState` sorts all keys for every scan."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping


class ReplayedState:
    """A map from bytes to bytes that keeps its keys in order."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self._values = dict(values)
        self._keys = sorted(self._values)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self._values.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in ascending order of key."""
        for place in range(bisect_left(self._keys, prefix), len(self._keys)):
            key = self._keys[place]
            if not key.startswith(prefix):
                return
            yield key, self._values[key]

    def apply(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Carry out a block's writes (None deletes)."""
        for key, value in writes.items():
            if value is None:
                if self._values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self._values:
                    insort(self._keys, key)
                self._values[key] = value
