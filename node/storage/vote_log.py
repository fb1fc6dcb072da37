"""The vote log: what this validator may have sent, durable before it leaves.

A log that is lost, or damaged where no crash can damage it, is a lost vote key: there is no way here to go on without
it. `vote_groups` says how the two are told apart. The caller decides between `create` (with a new vote key) and `open`:
a missing file of a key that has voted must not be made anew.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ledger.errors import TooLarge
from ledger.hashing import Digest
from node.storage.errors import HomeInUse, StorageFailed, VoteLogDamaged, VoteLogExists, VoteLogMissing
from node.storage.files import disk, sync_directory, write_all
from node.storage.vote_groups import (
    HEADER_BYTES,
    MARKER_BYTES,
    Position,
    Recovered,
    new_file,
    new_group,
    recover,
)

GROUP_BYTES_MAX = 256 * 2**20
"""Records of one sync: a window of full blocks is at most as much."""
LOG_BYTES_MAX = 4 * 2**30
"""Whoever appends blocks cuts the log once it has grown by some megabytes (a rewrite takes two syncs, so not at every
block); one that grows past this was forgotten."""


class VoteLog:
    """An open vote log, locked against every other process. Calls must not overlap each other."""

    def __init__(self, path: Path, chain_id: Digest, lock: int) -> None:
        """Use `create` or `open`."""
        self._path = path
        self._chain_id = chain_id
        self._lock = lock
        self._file = -1
        self._position: Position
        self._pending: list[bytes] = []
        self._failed = False

    @classmethod
    def create(cls, path: Path, *, chain_id: Digest) -> Self:
        """Make an empty log, durably; raises HomeInUse, VoteLogExists or StorageFailed."""
        if path.exists():
            raise VoteLogExists(f"vote log {path}", expected="no such file", got="one")
        log = cls(path, chain_id, _locked(path))
        try:
            log.rewrite(())
        except BaseException:
            log.close()
            raise
        return log

    @classmethod
    def open(cls, path: Path, *, chain_id: Digest) -> tuple[Self, Recovered]:
        """Open a log, read all its records back, and cut a torn tail.

        Raises HomeInUse, VoteLogMissing, VoteLogDamaged, UnsupportedSchema, ForeignChain or StorageFailed.
        """
        if not path.exists():
            raise VoteLogMissing(f"vote log {path}", expected="a file", got="none")
        log = cls(path, chain_id, _locked(path))
        try:
            return log, log._recover()
        except BaseException:
            log.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of the file: what a rewrite can shorten."""
        return self._position.end

    def append(self, records: Sequence[bytes]) -> None:
        """Take records for the next sync; raises TooLarge, or StorageFailed after any failure."""
        self._check_usable()
        _check_size([*self._pending, *records])
        self._pending += records

    def sync(self) -> None:
        """Write what was appended since the last sync, as one group, and return once it is durable.

        Raises StorageFailed, and then for every later call: a failed sync must not be tried again.
        """
        self._check_usable()
        records, self._pending = self._pending, []
        if not records:
            return
        group, position = new_group(records, self._position)
        with self._failing_for_good():
            if position.end > LOG_BYTES_MAX:
                raise StorageFailed(
                    f"vote log {self._path}", expected=f"at most {LOG_BYTES_MAX} bytes", got=position.end
                )
            write_all(self._file, group)
            os.fdatasync(self._file)
        self._position = position

    def rewrite(self, records: Sequence[bytes]) -> None:
        """Replace all that was synced by `records`; what was appended and not synced yet stays for the next sync.

        After a crash at any point the log holds either what it held before or `records`. Raises as `sync`, or TooLarge.
        """
        self._check_usable()
        _check_size(records)
        content, position = new_file(self._chain_id, os.urandom(MARKER_BYTES))
        if records:
            group, position = new_group(records, position)
            seal, position = new_group((), position)
            content += group + seal
        with self._failing_for_good():
            fresh = os.open(_beside(self._path), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            self._close_file()
            self._file = fresh
            write_all(fresh, content)
            os.fsync(fresh)
            _beside(self._path).replace(self._path)
            sync_directory(self._path.parent)
        self._position = position

    def close(self) -> None:
        """Give the file and its lock back; what was not synced is lost. Closing twice does nothing."""
        self._failed = True
        self._close_file()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def put_aside(self) -> None:
        """Move a closed log out of the way, durably: it does not hold all that its key has signed."""
        assert self._failed, "it is open"
        with disk(f"vote log {self._path}"):
            self._path.replace(self._path.with_name(self._path.name + ".incomplete"))
            sync_directory(self._path.parent)

    def _recover(self) -> Recovered:
        with disk(f"vote log {self._path}"):
            _beside(self._path).unlink(missing_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND)
            size = os.fstat(self._file).st_size
            if not HEADER_BYTES <= size <= LOG_BYTES_MAX:
                raise VoteLogDamaged(
                    f"size of vote log {self._path}", expected=f"{HEADER_BYTES} to {LOG_BYTES_MAX} bytes", got=size
                )
            with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
                recovered, self._position = recover(data, chain_id=self._chain_id)
            if recovered.torn_bytes:
                os.ftruncate(self._file, self._position.end)
            # a process that was killed before its sync may have left a whole group in memory only
            os.fsync(self._file)
        return recovered

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        self._failed = True
        with disk(f"vote log {self._path}"):
            yield
        self._failed = False

    def _check_usable(self) -> None:
        if self._failed:
            raise StorageFailed(f"vote log {self._path} refuses use after a failure, or after it was closed")

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _locked(path: Path) -> int:
    """Return the descriptor that holds the lock; a file beside the log, since a rewrite replaces the log itself."""
    with disk(f"lock of vote log {path}"):
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise HomeInUse(f"lock of vote log {path}", expected="free", got="held by another process") from error
    return lock


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a vote log, there or not, so that no node runs on its home meanwhile; raises HomeInUse."""
    lock = _locked(path)
    try:
        yield
    finally:
        os.close(lock)


def _check_size(records: Sequence[bytes]) -> None:
    total = sum(map(len, records))
    if total > GROUP_BYTES_MAX:
        raise TooLarge("vote records for one sync", expected=f"at most {GROUP_BYTES_MAX} bytes", got=total)
