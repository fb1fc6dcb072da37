"""Which blocks are checkpoints, and that a snapshot is of the very block, whatever is appended with it or after it."""

import asyncio
from pathlib import Path

import pytest

from ledger.quantities import Height
from ledger.snapshots import verify_manifest
from node.config import SnapshotSection
from node.runtime.application import Appending
from node.runtime.snapshot_making import SnapshotMaker
from node.runtime.tasks import Tasks
from node.runtime.workers import Worker
from node.storage.chain_store import ChainStore
from node.storage.files import disk
from node.storage.leveldb import LevelDb
from node.storage.snapshot_shelf import SnapshotShelf
from node.worker_protocol import CutAnswer, CutRequest
from tests.consortium import consortium
from tests.node.storage.chains import extend, grow
from tests.node.storage.snapshots import ranges_in

MEMBERS = consortium()


class Maker:
    """A maker over a real database and a real worker process."""

    def __init__(self, folder: Path, *, interval_seconds: int = 0) -> None:
        self.failures: list[BaseException] = []
        self.kv = LevelDb(folder / "chain")
        self.chain = ChainStore(self.kv, MEMBERS.genesis)
        self.folder = folder / "snapshots"
        self.shelf = SnapshotShelf(self.folder, keep=2)
        self.worker = Worker(seconds_max=60)
        self.tasks = Tasks(on_fatal=self.failures.append)
        self.maker = SnapshotMaker(
            shelf=self.shelf,
            chain=self.chain,
            worker=self.worker,
            section=SnapshotSection(interval_blocks=4, interval_seconds=interval_seconds),
            tasks=self.tasks,
        )

    def append(self, blocks: Appending) -> None:
        self.maker.on_appending(blocks)
        self.chain.append_many(blocks)

    async def finished(self) -> list[Height]:
        """Wait until nothing is being made; return the heights of all snapshots, each verified."""
        await asyncio.gather(*self.tasks._running)
        for height in self.shelf.heights():
            verify_manifest(self.shelf.manifest(height), MEMBERS.genesis)
        assert not self.failures
        return self.shelf.heights()

    async def close(self) -> None:
        await self.tasks.close()
        await self.worker.close()
        self.kv.close()


def test_a_snapshot_is_of_the_checkpoint_and_of_no_later_block(tmp_path: Path) -> None:
    async def main() -> None:
        made = Maker(tmp_path)
        blocks = extend(MEMBERS, made.chain.tip(), blocks=7, certified=range(7))
        made.append(blocks)  # all at once: the checkpoint is in the middle
        grow(MEMBERS, made.chain, 2)
        assert await made.finished() == [4]
        manifest = made.shelf.manifest(Height(4))
        ranges = ranges_in(made.folder / "4", manifest)
        alone = ChainStore(LevelDb(tmp_path / "alone"), MEMBERS.genesis)
        alone.append_many(blocks[:4])
        assert dict(pair for part in ranges for pair in part.pairs) == dict(alone.state.scan(b""))
        assert manifest.header == blocks[3][0].block.header
        assert manifest.certificate == blocks[3][1]
        alone._kv.close()
        await made.close()

    asyncio.run(main())


def test_a_block_without_a_certificate_of_its_own_is_no_checkpoint(tmp_path: Path) -> None:
    async def main() -> None:
        made = Maker(tmp_path)
        made.append(extend(MEMBERS, made.chain.tip(), blocks=6))
        assert await made.finished() == []
        await made.close()

    asyncio.run(main())


@pytest.mark.parametrize(("seconds", "expected"), [(0, True), (3_600, False)])
def test_there_is_one_in_an_interval_of_block_time(tmp_path: Path, seconds: int, expected: bool) -> None:  # noqa: FBT001
    async def main() -> None:
        made = Maker(tmp_path, interval_seconds=seconds)
        grow(MEMBERS, made.chain, 4)  # these blocks are a millisecond apart
        made.append(extend(MEMBERS, made.chain.tip(), blocks=4, certified=range(4)))
        assert await made.finished() == ([8] if expected else [])
        await made.close()

    asyncio.run(main())


def test_a_disk_without_room_costs_the_snapshot_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        made = Maker(tmp_path)

        async def full(_: CutRequest) -> CutAnswer:
            with disk("ranges"):
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(made.worker, "cut", full)
        made.append(extend(MEMBERS, made.chain.tip(), blocks=4, certified=range(4)))
        assert made.maker.making == 4
        assert await made.finished() == []
        assert made.maker.making is None
        assert list(made.folder.iterdir()) == []
        monkeypatch.undo()
        made.append(extend(MEMBERS, made.chain.tip(), blocks=4, certified=range(4)))
        assert await made.finished() == [8]
        await made.close()

    asyncio.run(main())


def test_a_node_that_stops_leaves_no_thread_and_no_half_snapshot(tmp_path: Path) -> None:
    async def main() -> None:
        made = Maker(tmp_path)
        made.append(extend(MEMBERS, made.chain.tip(), blocks=4, certified=range(4)))
        await asyncio.sleep(0)
        await made.close()
        assert list(made.folder.iterdir()) == []

    asyncio.run(main())
