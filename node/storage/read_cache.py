"""What a database was last asked for, kept in memory: execution reads the same records block after block.

The upper part of the state tree is read and rewritten by every block, and the key record of an author for every
transaction. Only state and tree are kept, and only small values; what is absent is asked for again.
"""

from collections.abc import Iterator, Mapping

from node.storage import schema
from node.storage.kv import KeyValueStore

ENTRIES_MAX = 32_768
"""Records kept: some 10 MB, since they are about as long as a digest or two."""
VALUE_BYTES_MAX = 512
"""Longer ones are not kept."""
PREFIXES = (schema.STATE_PREFIX, schema.TREE_PREFIX)


class ReadCache:
    """A store over another one; whoever writes to that one directly makes this one lie."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._kept: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None; raises as the store below."""
        found = self._kept.get(key)
        if found is None:
            found = self._kv.get(key)
            if found is not None:
                self._keep(key, found)
        return found

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, ascending, as they are at the time of the call."""
        return self._kv.scan(prefix)

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Write through, then bring up to date what is kept; raises as the store below.

        What was not read before is not kept: most records of a block are never read again, or much later.
        """
        self._kv.write(batch, sync=sync)
        for key in self._kept.keys() & batch.keys():
            del self._kept[key]
            value = batch[key]
            if value is not None:
                self._keep(key, value)

    def close(self) -> None:
        """Close the store below."""
        self._kv.close()

    def _keep(self, key: bytes, value: bytes) -> None:
        """Remember a record as the latest; beyond the limit the quarter goes that was read in or changed first."""
        if len(value) > VALUE_BYTES_MAX or not key.startswith(PREFIXES):
            return
        if len(self._kept) >= ENTRIES_MAX:
            for oldest in list(self._kept)[: ENTRIES_MAX // 4]:
                del self._kept[oldest]
        self._kept[key] = value
