"""A blob on its way in: bytes go to a temporary file and through SHA-256 as they come, never past the stated size."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.errors import TooLarge
from ledger.hashing import Digest
from node.storage.errors import BlobMismatch, StorageError, StorageFull
from node.storage.files import disk, write_all


class Incoming:
    """One arriving blob; made by `BlobStore.begin`. As a context manager it aborts unless it was finished."""

    def __init__(
        self,
        path: Path,
        digest: Digest,
        size: int,
        *,
        on_whole: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """Make the temporary file; `on_whole` gives it its name, `on_end` gives its room back."""
        self.digest = digest
        self.size = size
        self.received = 0
        self._path = path
        self._hash = hashlib.sha256()
        self._on_whole = on_whole
        self._on_end = on_end
        with disk(f"blob {digest.hex()}", no_room=StorageFull):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raises TooLarge, StorageFull or StorageFailed, and then the blob is aborted."""
        assert self._file >= 0
        received = self.received + len(chunk)
        if received > self.size:
            self.abort()
            raise TooLarge(f"blob {self.digest.hex()}", expected=f"{self.size} bytes", got=f"{received} or more")
        try:
            with disk(f"blob {self.digest.hex()}", no_room=StorageFull):
                write_all(self._file, chunk)
        except StorageError:
            self.abort()
            raise
        self._hash.update(chunk)
        self.received = received

    def sync(self) -> None:
        """Force what has arrived to the disk, in any thread: `finish` has then little left to wait for."""
        assert self._file >= 0
        with disk(f"blob {self.digest.hex()}", no_room=StorageFull):
            os.fsync(self._file)

    def finish(self) -> None:
        """Check size and digest and store the blob durably; raises BlobMismatch, StorageFull or StorageFailed."""
        assert self._file >= 0
        try:
            if self.received != self.size:
                raise BlobMismatch(f"size of blob {self.digest.hex()}", expected=self.size, got=self.received)
            if self._hash.digest() != self.digest:
                raise BlobMismatch("digest of the blob", expected=self.digest.hex(), got=self._hash.hexdigest())
            with disk(f"blob {self.digest.hex()}", no_room=StorageFull):
                os.fsync(self._file)
            self._on_whole()
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop what has arrived and give its room back; does nothing after `finish` or `abort`."""
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        try:
            with disk(f"blob {self.digest.hex()}"):
                self._path.unlink(missing_ok=True)
        finally:
            self._on_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
