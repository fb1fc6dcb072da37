"""A map from bytes to bytes that is written atomically: all that the rest of storage asks of a database.

`leveldb.LevelDb` is the one on disk; `MemoryStore` behaves alike without one, for simulators and tests.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Protocol


class KeyValueStore(Protocol):
    """An ordered map with atomic writes. Using it after `close` is a mistake of ours."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, ascending, as they are at the time of the call."""
        ...

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Set or delete (None) every key of `batch`, or none of them; with `sync`, durably before returning."""
        ...

    def close(self) -> None:
        """Give the store back; closing twice does nothing."""
        ...


class MemoryStore:
    """A store in memory; another one over the same `values` stands for opening it again."""

    def __init__(self, values: dict[bytes, bytes] | None = None) -> None:
        self.values = {} if values is None else values
        self._keys = sorted(self.values)
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        assert not self._closed
        return self.values.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, ascending, as they are at the time of the call."""
        assert not self._closed
        start = bisect_left(self._keys, prefix)
        below = takewhile(lambda place: self._keys[place].startswith(prefix), range(start, len(self._keys)))
        return iter([(self._keys[place], self.values[self._keys[place]]) for place in below])

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:  # noqa: ARG002
        """Set or delete (None) every key of `batch`; memory has nothing to sync."""
        assert not self._closed
        for key, value in batch.items():
            if value is None:
                if self.values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self.values:
                    insort(self._keys, key)
                self.values[key] = value

    def close(self) -> None:
        """Refuse further use."""
        self._closed = True
