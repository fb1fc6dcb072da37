"""Blobs over crashes, lost files and disks that refuse: nothing half-done, and no promise forgotten silently."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ledger.hashing import sha256
from node.storage import blob_store
from node.storage.blob_store import BlobStore
from node.storage.errors import StorageFailed, StorageFull
from node.storage.kv import MemoryStore
from tests.node.storage.blobs import ALICE, EXPIRES, FACTS, add, files
from tests.node.storage.limits import files_at_most


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def kv() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(directory: Path, kv: MemoryStore) -> BlobStore:
    return BlobStore(directory, kv, quota_bytes=1_000)


def test_totals_and_orphans_are_counted_again_at_start(store: BlobStore, directory: Path, kv: MemoryStore) -> None:
    add(store, bytes(100))
    store.set_recorded(add(store, bytes(200)))
    again = BlobStore(directory, kv, quota_bytes=1_000)
    assert again.bytes_total == 300
    assert sum(again.orphan_sizes(ALICE)) == 100
    assert again.lost == ()


def test_what_was_left_arriving_is_removed_at_start(store: BlobStore, directory: Path, kv: MemoryStore) -> None:
    incoming = store.begin(sha256(b"content"), 7, author=ALICE, expires=EXPIRES)
    incoming.write(b"conte")
    BlobStore(directory, kv, quota_bytes=1_000)
    assert files(directory) == []
    incoming.abort()


@pytest.mark.parametrize("promise", ["facts", "recorded"])
def test_the_loss_of_a_file_that_was_promised_is_reported(
    store: BlobStore, directory: Path, kv: MemoryStore, promise: str
) -> None:
    kept, digest = add(store, b"kept"), add(store, b"content")
    if promise == "facts":
        store.set_facts(digest, FACTS)
    else:
        store.set_recorded(digest)
    store.path(digest).write_bytes(b"conte")
    again = BlobStore(directory, kv, quota_bytes=1_000)
    assert again.lost == (digest,)
    assert list(again) == [kept]
    add(again, b"content")
    assert again.path(digest).read_bytes() == b"content"


class RecordingStore(MemoryStore):
    """A store that notes its synced writes among the steps of the file system."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self.steps = steps

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        assert sync
        self.steps.append("record")
        super().write(batch, sync=sync)


def test_each_step_is_durable_before_the_next(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    store = BlobStore(directory, RecordingStore(steps), quota_bytes=1_000)
    rename, unlink, sync = Path.replace, Path.unlink, os.fsync

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    def unlinked(path: Path, *, missing_ok: bool = False) -> None:
        if path.exists():
            steps.append("unlink")
        unlink(path, missing_ok=missing_ok)

    def synced(descriptor: int) -> None:
        status = os.fstat(descriptor)
        names = {directory.stat().st_ino: "directory"}
        steps.append(names.get(status.st_ino, "shard") if stat.S_ISDIR(status.st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(Path, "unlink", unlinked)
    monkeypatch.setattr(os, "fsync", synced)
    digest = add(store, b"content")
    assert steps == ["file", "record", "directory", "rename", "shard"]
    steps.clear()
    store.delete(digest)
    assert steps == ["record", "unlink", "shard", "record"]


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    with monkeypatch.context() as patched:
        yield patched


def raise_crash(*_: object) -> None:
    raise Crash


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_crash_while_a_blob_gets_its_name_leaves_no_blob(
    store: BlobStore, directory: Path, kv: MemoryStore, crash: pytest.MonkeyPatch, point: str
) -> None:
    content = b"content"
    incoming = store.begin(sha256(content), len(content), author=ALICE, expires=EXPIRES)
    incoming.write(content)
    disk = dict(kv.values)

    def snapshot(*_: object) -> None:
        disk.update(kv.values)
        raise Crash

    crash.setattr(os if point == "fsync" else Path, point, snapshot)
    with pytest.raises(Crash):
        incoming.finish()
    crash.undo()
    again = BlobStore(directory, MemoryStore(disk), quota_bytes=1_000)
    assert list(again) == []
    assert again.lost == ()
    assert again.bytes_total == 0
    assert files(directory) == []


def test_a_crash_while_a_promised_blob_is_deleted_is_not_its_loss(
    store: BlobStore, directory: Path, kv: MemoryStore, crash: pytest.MonkeyPatch
) -> None:
    digest = add(store, b"content")
    store.set_recorded(digest)
    crash.setattr(blob_store, "sync_directory", raise_crash)
    with pytest.raises(Crash):
        store.delete(digest)
    crash.undo()
    again = BlobStore(directory, MemoryStore(kv.values), quota_bytes=1_000)
    assert list(again) == []
    assert again.lost == ()


def test_a_disk_without_room_is_told_from_a_failing_one(store: BlobStore, directory: Path) -> None:
    incoming = store.begin(sha256(bytes(900)), 900, author=ALICE, expires=EXPIRES)
    with files_at_most(500), pytest.raises(StorageFull):
        incoming.write(bytes(900))
    assert files(directory) == []
    assert sum(store.orphan_sizes(ALICE)) == 0


def test_a_name_that_cannot_be_given_leaves_no_record(store: BlobStore, directory: Path) -> None:
    digest = sha256(b"content")
    (directory / digest.hex()[:2]).write_bytes(b"a file where a directory belongs")
    with pytest.raises(StorageFailed):
        add(store, b"content")
    assert not store.has(digest)
    assert store.bytes_total == 0


def test_a_file_that_is_gone_fails_when_it_is_opened(store: BlobStore) -> None:
    digest = add(store, b"content")
    store.path(digest).unlink()
    with pytest.raises(StorageFailed, match="No such file"):
        store.open(digest)
