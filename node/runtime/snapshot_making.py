"""The duty to make snapshots: at stable checkpoints, beside voting and never in its way.

A checkpoint is a certified block at a multiple of `snapshots.interval_blocks`, the first one in its interval of
`snapshots.interval_seconds` by the blocks' own times: so validators with equal settings make the same snapshots without
a word between them, and one that was missed by some is no loss. What is read is the database as it was before the
block's append, with the block's writes laid over it: LevelDB keeps that view for as long as it is read.

Reading happens in a thread, in bursts that are shorter than what a vote takes, with pauses between; everything that
hashes happens in a worker process (`snapshot_cutting`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import structlog

from contracts.chain import ExecutedBlock
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.errors import QuorateError
from ledger.merkle import Frontier
from ledger.quantities import Era, Height
from ledger.snapshots import EraBoundary, SnapshotManifest
from node.config import SnapshotSection
from node.runtime.application import Appending
from node.runtime.tasks import Tasks
from node.runtime.threads import in_thread
from node.runtime.workers import Worker
from node.storage.chain_store import ChainStore
from node.storage.errors import DatabaseDamaged
from node.storage.files import disk
from node.storage.snapshot_cutting import Pair, write_pairs
from node.storage.snapshot_shelf import SnapshotShelf
from node.worker_protocol import CutRequest

log = structlog.get_logger()

PAIRS_A_BURST = 250
"""Read in one go: about half a millisecond in which the event loop may have to wait for the interpreter."""
REST = 4
"""Pause after a burst, in multiples of what it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A stable checkpoint, and the state after it."""

    header: BlockHeader
    certificate: CommitCertificate
    frontier: Frontier
    boundaries: tuple[EraBoundary, ...]
    pairs: Iterator[Pair]
    """Every pair of the state once, in no order that matters."""


class SnapshotMaker:
    """Makes the snapshots of one node, one at a time."""

    def __init__(
        self, *, shelf: SnapshotShelf, chain: ChainStore, worker: Worker, section: SnapshotSection, tasks: Tasks
    ) -> None:
        self._shelf = shelf
        self._chain = chain
        self._worker = worker
        self._section = section
        self._tasks = tasks
        self._stopping = threading.Event()
        self._making: Height | None = None

    @property
    def making(self) -> Height | None:
        """Height of the snapshot that is being made."""
        return self._making

    def on_appending(self, blocks: Appending) -> None:
        """Begin a snapshot if one is due with these blocks, which are about to be appended to the head."""
        if not self._section.make or self._making is not None:
            return
        headers = {Height(executed.block.header.height): executed.block.header for executed, _ in blocks}
        for place in range(len(blocks) - 1, -1, -1):
            executed, certificate = blocks[place]
            if certificate is not None and self._is_due(executed.block.header, headers):
                checkpoint = self._checkpoint(executed, certificate, blocks[: place + 1])
                self._making = Height(executed.block.header.height)
                self._tasks.spawn(self._make(checkpoint), name="snapshot")
                return

    def _is_due(self, header: BlockHeader, headers: dict[Height, BlockHeader]) -> bool:
        interval = self._section.interval_blocks
        if header.height <= self._chain.head.header.height or header.height % interval:
            return False
        width = self._section.interval_seconds * 1_000
        height = Height(header.height - interval)
        before = headers.get(height) or self._chain.header(height)
        return before is None or not width or before.time // width != header.time // width

    def _checkpoint(self, executed: ExecutedBlock, certificate: CommitCertificate, blocks: Appending) -> Checkpoint:
        writes: dict[bytes, bytes | None] = {}
        for one, _ in blocks:
            writes.update(one.state_writes)
        header = executed.block.header
        return Checkpoint(
            header=header,
            certificate=certificate,
            frontier=executed.frontier,
            boundaries=self._chain.boundaries(Era(header.era)),
            pairs=_overlaid(self._chain.state.scan(b""), writes),
        )

    async def _make(self, checkpoint: Checkpoint) -> None:
        height = Height(checkpoint.header.height)
        began = time.monotonic()
        try:
            folder = self._shelf.begin(height)
            source = folder / "pairs"
            await self._thread(lambda: _export(checkpoint.pairs, source, self._stopping))
            answer = await self._worker.cut(
                CutRequest(source_path=str(source), folder_path=str(folder), state_root=checkpoint.header.state_root)
            )
            manifest = SnapshotManifest(
                boundaries=checkpoint.boundaries,
                header=checkpoint.header,
                certificate=checkpoint.certificate,
                frontier=checkpoint.frontier,
                ranges=answer.ranges,
            )
            await self._thread(lambda: _finish(self._shelf, manifest, source))
            log.info(
                "snapshot-made", height=height, ranges=len(answer.ranges), seconds=round(time.monotonic() - began, 1)
            )
        except DatabaseDamaged:
            raise
        except QuorateError as error:  # a disk without room for a snapshot may still have room for blocks
            log.warning("snapshot-failed", height=height, code=error.code, error=str(error))
        finally:
            self._shelf.abandon(height)
            self._making = None

    async def _thread(self, work: Callable[[], None]) -> None:
        await in_thread(work, on_cancel=self._stopping.set)


def _overlaid(pairs: Iterator[Pair], writes: dict[bytes, bytes | None]) -> Iterator[Pair]:
    """Yield the pairs of a state after writes."""
    yield from ((key, value) for key, value in pairs if key not in writes)
    yield from ((key, value) for key, value in writes.items() if value is not None)


def _export(pairs: Iterator[Pair], target: Path, stopping: threading.Event) -> None:
    """Write all pairs to a file, at a pace that leaves the interpreter to the event loop; cut short when stopping."""
    with disk(f"snapshot {target}"), target.open("wb", buffering=2**20) as file:
        while not stopping.is_set():
            began = time.monotonic()
            burst = list(islice(pairs, PAIRS_A_BURST))
            write_pairs(file, burst)
            if len(burst) < PAIRS_A_BURST:
                return
            stopping.wait(REST * (time.monotonic() - began))


def _finish(shelf: SnapshotShelf, manifest: SnapshotManifest, source: Path) -> None:
    with disk(f"snapshot {source}"):
        source.unlink()
    shelf.finish(manifest)
