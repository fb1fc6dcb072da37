"""LevelDB behind the interface of `kv`; the only module that imports plyvel.

`paranoid_checks` is what makes it safe for a chain: without it, LevelDB opens a log that is damaged in the middle by
dropping the writes it cannot read and keeping the later ones, so that blocks are missing below the head. With it, a
log that merely ends early (the only thing that a kill leaves) still opens, without its last, incomplete write.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import plyvel

from ledger.errors import QuorateError
from node.storage.errors import DatabaseDamaged, HomeInUse, StorageFailed
from node.storage.files import disk, sync_directory

WRITE_BUFFER_BYTES = 16 * 2**20
"""Holds several full blocks, so that not every block makes a file of its own."""
CACHE_BYTES = 64 * 2**20
"""Uncompressed table blocks kept for reading."""
BLOOM_BITS = 10
"""Bits a key: one read in a hundred for an absent key touches the disk. Execution asks for absent keys often."""


class LevelDb:
    """A LevelDB database in a directory that no other process may open meanwhile."""

    def __init__(self, directory: Path) -> None:
        """Open or create; raises HomeInUse, DatabaseDamaged, StorageFailed or StorageFull."""
        self._directory = directory
        self._failed = False
        with disk(f"database {directory}"):
            fresh = not directory.exists()
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._translating("open"):
            self._db = plyvel.DB(
                str(directory),
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=CACHE_BYTES,
                bloom_filter_bits=BLOOM_BITS,
            )
        if fresh:
            with disk(f"database {directory}"):
                sync_directory(directory.parent)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None; raises DatabaseDamaged or StorageFailed."""
        try:  # not `_translating`: a context manager takes as long as the read
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise self._translated("read", error) from error
        return value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, ascending, as they are at the time of the call."""
        with self._translating("read"):
            pairs = self._db.iterator(prefix=prefix, verify_checksums=True)
        return self._pairs(pairs)

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Set or delete (None) every key of `batch`, or none of them; with `sync`, durably before returning.

        Raises StorageFailed, and then for every later write as well: LevelDB itself would go on appending behind a
        record that it could write only in part.
        """
        if self._failed:
            raise StorageFailed(f"database {self._directory} refuses writes after one that failed")
        changes = self._db.write_batch(sync=sync)
        for key, value in batch.items():
            if value is None:
                changes.delete(key)
            else:
                changes.put(key, value)
        self._failed = True
        with self._translating("write"):
            changes.write()
        self._failed = False

    def close(self) -> None:
        """Give the lock back; closing twice does nothing."""
        self._db.close()

    def _pairs(self, pairs: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        with self._translating("read"):
            yield from pairs

    @contextmanager
    def _translating(self, action: str) -> Iterator[None]:
        try:
            yield
        except plyvel.Error as error:
            raise self._translated(action, error) from error

    def _translated(self, action: str, error: plyvel.Error) -> QuorateError:
        text = error.args[0].decode(errors="replace") if error.args else ""
        what = f"{action} of database {self._directory}: {text}"
        if isinstance(error, plyvel.CorruptionError):
            return DatabaseDamaged(what)
        if f"lock {self._directory}/LOCK: " in text:
            return HomeInUse(what)
        return StorageFailed(what)
