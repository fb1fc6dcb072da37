"""Blobs as files named by their digest: layouts, models, updates and reports, up to gigabytes each.

A blob gets its name only when it is whole, checked and on disk, so a file under a digest is that blob. Its record is
written before the name and removed after it: a crash leaves at most a record without a file, which the next start
removes. Files live in `ab/ab12...`, arriving ones in `incoming/`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from ledger.blobs import BlobFacts
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.keys import PublicKey
from ledger.quantities import Height
from node.storage.blob_index import BlobIndex, StoredBlob
from node.storage.errors import BlobNotFound, StorageFull
from node.storage.files import disk, free_bytes, sync_directory
from node.storage.incoming import Incoming
from node.storage.kv import KeyValueStore


class BlobStore:
    """The blobs of one node. Calls must not overlap each other, save for `Incoming.write` on different blobs."""

    lost: tuple[Digest, ...]
    """Blobs with facts, or recorded, whose file was found gone or of another length at start. This node may have signed
    that it keeps them: the operator must know, and they have to be fetched again."""

    def __init__(self, directory: Path, kv: KeyValueStore, *, quota_bytes: int, reserve_bytes: int = 0) -> None:
        """Open or create; removes what was left arriving, and the records of files that are gone.

        `reserve_bytes` of the disk are left to others than blobs.
        """
        self._directory = directory
        self._incoming = directory / "incoming"
        self._quota_bytes = quota_bytes
        self._reserve_bytes = reserve_bytes
        self._index = BlobIndex(kv)
        self._arriving: dict[Path, StoredBlob] = {}
        self._begun = 0
        with disk(f"blob store {directory}"):
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            sync_directory(directory)
        self.lost = self._forget_missing()

    def begin(self, digest: Digest, size: int, *, author: PublicKey, expires: Height) -> Incoming:
        """Reserve room for a blob that is about to arrive.

        Raises StorageFull, StorageFailed, or InputError for an empty one. A blob that is stored already may arrive
        once more; it is then kept until the later of the two heights.
        """
        if size < 1:
            raise InputError("size of a blob", expected="at least 1 byte", got=size)
        arriving_total = sum(other.size for other in self._arriving.values())
        free = self._quota_bytes - self.bytes_total - arriving_total
        if size > free:
            raise StorageFull("room for blobs", expected=f"{size} bytes", got=f"{free} of {self._quota_bytes}")
        self._check_disk(size + arriving_total)
        self._begun += 1
        path = self._incoming / f"{digest.hex()}.{self._begun}"
        arriving = StoredBlob(size=size, author=author, expires=expires)
        incoming = Incoming(
            path,
            digest,
            size,
            on_whole=lambda: self._place(path, digest, arriving),
            on_end=lambda: self._arriving.__delitem__(path),
        )
        self._arriving[path] = arriving
        return incoming

    def _check_disk(self, size: int) -> None:
        """Raise StorageFull where blobs would take what the chain and the vote log need to go on."""
        free = free_bytes(self._directory)
        if free - size < self._reserve_bytes:
            raise StorageFull("free space on the disk", expected=f"{size + self._reserve_bytes} bytes", got=free)

    @property
    def bytes_total(self) -> int:
        """Bytes of all stored blobs."""
        return self._index.bytes_total

    def orphan_sizes(self, author: PublicKey) -> list[int]:
        """Return what counts against an author's quota: its blobs that arrive or that no block has recorded yet."""
        unrecorded = (*self._index.orphans.values(), *self._arriving.values())
        return [stored.size for stored in unrecorded if stored.author == author]

    def has(self, digest: Digest) -> bool:
        """Return whether the blob is stored here."""
        return self._index.get(digest) is not None

    def record(self, digest: Digest) -> StoredBlob:
        """Return what is known about a stored blob; raises BlobNotFound."""
        stored = self._index.get(digest)
        if stored is None:
            raise BlobNotFound(f"blob {digest.hex()}", expected="one that this node stores", got="none")
        return stored

    def size(self, digest: Digest) -> int:
        """Return a blob's length in bytes; raises BlobNotFound."""
        return self.record(digest).size

    def path(self, digest: Digest) -> Path:
        """Return a blob's file, for workers that map it; never write to it. Raises BlobNotFound."""
        self.record(digest)
        return self._place_of(digest)

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading; it stays readable if it is deleted meanwhile. Raises BlobNotFound, StorageFailed."""
        path = self.path(digest)
        with disk(f"blob {digest.hex()}"):
            return path.open("rb")

    def __iter__(self) -> Iterator[Digest]:
        return (digest for digest, _ in self._index)

    def set_facts(self, digest: Digest, facts: BlobFacts) -> None:
        """Keep the facts that a worker computed; raises BlobNotFound."""
        self._index.put(digest, replace(self.record(digest), facts=facts))

    def set_recorded(self, digest: Digest) -> None:
        """Note that a block has recorded a blob: it no longer expires. Raises BlobNotFound."""
        self._index.put(digest, replace(self.record(digest), recorded=True))

    def keep_until(self, digest: Digest, expires: Height) -> None:
        """Keep an unrecorded blob at least up to a height, for a later ticket; raises BlobNotFound."""
        stored = self.record(digest)
        if expires > stored.expires:
            self._index.put(digest, replace(stored, expires=expires))

    def delete(self, digest: Digest) -> None:
        """Remove a blob; raises BlobNotFound or StorageFailed."""
        path = self.path(digest)
        # the record goes last, and promises nothing any more: a crash in between is not the loss of a blob
        self._index.put(digest, replace(self.record(digest), facts=None, recorded=False))
        with disk(f"blob {digest.hex()}"):
            path.unlink(missing_ok=True)
            sync_directory(path.parent)
        self._index.put(digest, None)

    def expire(
        self, height: Height, *, is_recorded: Callable[[Digest], bool], most: int | None = None
    ) -> tuple[Digest, ...]:
        """Delete blobs that were to be recorded below `height` and were not, at most so many; return them in order.

        `is_recorded` asks the state after the head, so that a crash between an append and `set_recorded` costs nothing.
        """
        overdue = sorted(digest for digest, stored in self._index.orphans.items() if stored.expires < height)[:most]
        deleted = []
        for digest in overdue:
            if is_recorded(digest):
                self.set_recorded(digest)
            else:
                self.delete(digest)
                deleted.append(digest)
        return tuple(deleted)

    def _place_of(self, digest: Digest) -> Path:
        name = digest.hex()
        return self._directory / name[:2] / name

    def _place(self, path: Path, digest: Digest, arrived: StoredBlob) -> None:
        """Give a whole file its name, and its record."""
        if self.has(digest):
            self.keep_until(digest, arrived.expires)
            return
        target = self._place_of(digest)
        self._index.put(digest, arrived)
        try:
            with disk(f"blob {digest.hex()}", no_room=StorageFull):
                if not target.parent.exists():
                    target.parent.mkdir(mode=0o700)
                    sync_directory(self._directory)
                path.replace(target)
                sync_directory(target.parent)
        except BaseException:
            self._index.put(digest, None)
            raise

    def _forget_missing(self) -> tuple[Digest, ...]:
        lost = []
        for digest, stored in self._index:
            with disk(f"blob {digest.hex()}"):
                path = self._place_of(digest)
                whole = path.is_file() and path.stat().st_size == stored.size
            if not whole:
                self._index.put(digest, None)
                if stored.recorded or stored.facts is not None:
                    lost.append(digest)
        return tuple(lost)
