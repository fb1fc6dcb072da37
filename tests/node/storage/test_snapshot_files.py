"""Killed at every step of making, fetching and installing a snapshot: what was whole stays, the rest begins anew."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.encoding import encode
from ledger.errors import InputError, InvalidProof
from ledger.quantities import Height
from ledger.snapshots import SnapshotManifest
from node.storage.chain_store import ChainStore
from node.storage.errors import SnapshotUnusable
from node.storage.kv import MemoryStore
from node.storage.leveldb import LevelDb
from node.storage.snapshot_cutting import range_name
from node.storage.snapshot_fetched import DATABASE, FetchedRanges
from node.storage.snapshot_install import CHAIN, NEW, OLD, build_database, make_ready, switch_database
from node.storage.snapshot_shelf import LEASE_SECONDS, LEASED_MAX, SnapshotShelf
from tests.consortium import consortium
from tests.node.storage.chains import grow
from tests.node.storage.snapshots import check_joined, cut

MEMBERS = consortium()
SOURCE = ChainStore(MemoryStore(), MEMBERS.genesis)
grow(MEMBERS, SOURCE, 5)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def cut_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SnapshotManifest]:
    folder = tmp_path_factory.mktemp("made") / "cut"
    return folder, cut(SOURCE, folder)


@pytest.fixture
def files(cut_once: tuple[Path, SnapshotManifest]) -> list[bytes]:
    folder, manifest = cut_once
    return [(folder / range_name(index)).read_bytes() for index in range(len(manifest.ranges))]


@pytest.fixture
def manifest(cut_once: tuple[Path, SnapshotManifest]) -> SnapshotManifest:
    return cut_once[1]


def kill_at(patch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """End the process at the `step`-th change of a name; return how many there were."""
    done = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal done
            done += 1
            if done > step:
                raise Killed
            return original(*arguments, **options)

        return call

    patch.setattr(Path, "rename", counted(Path.rename))
    patch.setattr(Path, "mkdir", counted(Path.mkdir))
    patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    return lambda: done


def shelve(shelf: SnapshotShelf, manifest: SnapshotManifest, files: list[bytes]) -> None:
    making = shelf.begin(manifest.height)
    for index, data in enumerate(files):
        (making / range_name(index)).write_bytes(data)
    shelf.finish(manifest)


def at(manifest: SnapshotManifest, height: int) -> SnapshotManifest:
    return replace(manifest, header=replace(manifest.header, height=Height(height)))


def test_a_snapshot_is_there_once_it_is_whole(tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]) -> None:
    shelf = SnapshotShelf(tmp_path / "shelf", keep=2)
    assert shelf.newest() is None
    assert shelf.open_manifest() is None
    shelve(shelf, manifest, files)
    assert shelf.heights() == [5]
    assert shelf.manifest(Height(5)) == manifest
    opened = shelf.open_manifest()
    assert opened is not None
    with opened:
        assert opened.read() == encode(manifest)
    for index, data in enumerate(files):
        found = shelf.open_range(Height(5), index)
        assert found is not None
        with found:
            assert found.read() == data
    assert shelf.open_range(Height(5), len(files)) is None
    assert shelf.open_range(Height(4), 0) is None


def test_a_kill_while_making_leaves_no_half_snapshot(
    tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]
) -> None:
    steps = 0
    while True:
        folder = tmp_path / f"shelf-{steps}"
        with pytest.MonkeyPatch.context() as patch:
            count = kill_at(patch, steps)
            with suppress(Killed):
                shelve(SnapshotShelf(folder, keep=2), manifest, files)
            finished = count() <= steps
        shelf = SnapshotShelf(folder, keep=2)
        assert sorted(entry.name for entry in folder.iterdir()) == [str(height) for height in shelf.heights()]
        for height in shelf.heights():
            assert shelf.manifest(height) == manifest
            assert len(list((folder / str(height)).iterdir())) == len(files) + 1
        if finished:
            break
        steps += 1
    assert steps >= 3


def test_superseded_snapshots_go_unless_somebody_fetches_them(
    tmp_path: Path, manifest: SnapshotManifest, files: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    shelf = SnapshotShelf(tmp_path / "shelf", keep=2)
    for height in range(1, 4):
        shelve(shelf, at(manifest, height), files)
    assert shelf.heights() == [2, 3]
    for height in range(4, 12):
        for asked in shelf.heights():
            opened = shelf.open_range(asked, 0)
            assert opened is not None
            opened.close()
        shelve(shelf, at(manifest, height), files)
    assert len(shelf.heights()) == LEASED_MAX
    clock += LEASE_SECONDS
    shelve(shelf, at(manifest, 12), files)
    assert shelf.heights() == [11, 12]


def test_fetching_goes_on_where_it_stopped(tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]) -> None:
    folder = tmp_path / "joining"
    assert FetchedRanges.resume(folder) is None
    fetched = FetchedRanges.begin(folder, manifest)
    assert fetched.missing == list(range(len(files)))
    fetched.put(2, files[2])
    (folder / (range_name(3) + ".part")).write_bytes(files[3][:10])  # what a kill leaves
    resumed = FetchedRanges.resume(folder)
    assert resumed is not None
    assert resumed.manifest == manifest
    assert resumed.missing == [index for index in range(len(files)) if index != 2]
    for index in resumed.missing:
        resumed.put(index, files[index])
    assert resumed.missing == []
    assert [encode(part) for part in resumed.ranges()] == files


def test_a_range_that_is_another_is_not_kept(tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]) -> None:
    fetched = FetchedRanges.begin(tmp_path / "joining", manifest)
    for data, error in ((files[1], InvalidProof), (files[0][:-1], InputError), (b"", InputError)):
        with pytest.raises(error):
            fetched.put(0, data)
    assert 0 in fetched.missing
    resumed = FetchedRanges.resume(tmp_path / "joining")
    assert resumed is not None
    assert 0 in resumed.missing


def test_a_manifest_that_the_disk_has_damaged_begins_anew(tmp_path: Path, manifest: SnapshotManifest) -> None:
    fetched = FetchedRanges.begin(tmp_path / "joining", manifest)
    (fetched.folder / "manifest").write_bytes(b"?")
    assert FetchedRanges.resume(tmp_path / "joining") is None
    FetchedRanges.begin(tmp_path / "joining", manifest)


def whole(folder: Path, manifest: SnapshotManifest, files: list[bytes]) -> FetchedRanges:
    fetched = FetchedRanges.begin(folder, manifest)
    for index, data in enumerate(files):
        fetched.put(index, data)
    return fetched


def test_a_range_that_the_disk_has_changed_is_fetched_again(
    tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]
) -> None:
    fetched = whole(tmp_path / "joining", manifest, files)
    name = fetched.folder / range_name(1)
    name.write_bytes(name.read_bytes()[::-1])
    database = fetched.folder / DATABASE
    with pytest.raises(SnapshotUnusable):
        build_database(database, manifest, fetched.ranges, MEMBERS.genesis)
    fetched.drop_damaged()
    assert fetched.missing == [1]
    fetched.put(1, files[1])
    build_database(database, manifest, fetched.ranges, MEMBERS.genesis)
    fetched.remove()
    assert not fetched.folder.exists()


def own_chain(data: Path, blocks: int) -> None:
    kv = LevelDb(data / CHAIN)
    grow(MEMBERS, ChainStore(kv, MEMBERS.genesis), blocks)
    kv.close()


def head_of(data: Path) -> int:
    kv = LevelDb(data / CHAIN)
    store = ChainStore(kv, MEMBERS.genesis)
    if store.base:
        check_joined(store, SOURCE)
    height = store.height()
    kv.close()
    return height


@pytest.mark.parametrize("blocks", [None, 0, 2])
def test_a_kill_at_any_step_of_installing_leaves_the_old_chain_or_the_new_one(
    tmp_path: Path, manifest: SnapshotManifest, files: list[bytes], blocks: int | None
) -> None:
    steps = 0
    while True:
        data = tmp_path / f"data-{steps}"
        data.mkdir()
        fetched = whole(data / "joining", manifest, files)
        if blocks is not None:
            own_chain(data, blocks)
        with pytest.MonkeyPatch.context() as patch:
            count = kill_at(patch, steps)
            with suppress(Killed):
                build_database(fetched.folder / DATABASE, manifest, fetched.ranges, MEMBERS.genesis)
                make_ready(fetched.folder / DATABASE, data)
                switch_database(data)
            finished = count() <= steps
        decided = (data / NEW).exists() or (blocks is None and (data / CHAIN).exists())
        switch_database(data)
        switch_database(data)  # once more: nothing is left to be done
        assert not (data / NEW).exists()
        assert not (data / OLD).exists()
        if (data / CHAIN).exists():
            height = head_of(data)
            assert height in {blocks, 5}
            assert height == 5 or not decided
        if finished:
            assert head_of(data) == 5
            break
        steps += 1
    assert steps >= 3


def test_a_database_that_is_not_above_the_chain_is_not_taken(
    tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]
) -> None:
    fetched = whole(tmp_path / "joining", manifest, files)
    own_chain(tmp_path, 6)
    build_database(fetched.folder / DATABASE, manifest, fetched.ranges, MEMBERS.genesis)
    make_ready(fetched.folder / DATABASE, tmp_path)
    assert switch_database(tmp_path) is None
    assert head_of(tmp_path) == 6
    assert not (tmp_path / NEW).exists()


def test_a_later_decision_replaces_an_earlier_one(
    tmp_path: Path, manifest: SnapshotManifest, files: list[bytes]
) -> None:
    fetched = whole(tmp_path / "joining", manifest, files)
    for _ in range(2):
        build_database(fetched.folder / DATABASE, manifest, fetched.ranges, MEMBERS.genesis)
        make_ready(fetched.folder / DATABASE, tmp_path)
    assert switch_database(tmp_path) == 5
    assert switch_database(tmp_path) is None
