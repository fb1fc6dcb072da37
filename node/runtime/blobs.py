"""Blobs at this node: stored, fetched from peers, examined by the worker, kept as long as they are owed."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import structlog

from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.blobs import BlobFacts, ModelFacts, UpdateFacts
from ledger.entries import ActionEntry, RoundDecided, RoundVoided
from ledger.errors import Undecidable
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.keys import PublicKey
from ledger.quantities import Height, RoundNumber, ValidatorId
from ledger.state import StateView
from node.runtime.workers import Worker
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.storage.errors import BlobMismatch
from node.transport.errors import BlobNotHere, LinkError
from node.worker_protocol import FactsRequest

log = structlog.get_logger()

CHUNK_BYTES = 256 * 2**10
"""Copied in one turn of the event loop."""
FETCHES_MAX = 4
"""Recorded blobs fetched at a time."""
EXPIRE_MAX = 4
"""Uploads deleted at a time: each takes several syncs, and votes wait meanwhile."""
OWN_HEIGHTS = 1_000
"""How long a fetched or own blob is kept without being recorded."""

Fetch = Callable[[ValidatorId, Digest, Callable[[bytes], None], int], Awaitable[None]]
"""(peer, digest, sink, expected size): raises LinkError."""


class LocalBlobs:
    """The blob store, and the ways into it."""

    def __init__(
        self,
        *,
        store: BlobStore,
        chain: ChainStore,
        worker: Worker,
        fetch: Fetch,
        peers: Callable[[], list[ValidatorId]],
        author: PublicKey,
        scratch: Path,
    ) -> None:
        self.store = store
        self.worker = worker
        self._chain = chain
        self._fetch = fetch
        self._peers = peers
        self._author = author
        self._scratch = scratch
        self._numbered = 0
        self._fetches = asyncio.Semaphore(FETCHES_MAX)
        self._examining = asyncio.Lock()
        self._failures: Counter[ValidatorId] = Counter()
        """Fetches in a row that a peer has spoilt: it is asked last."""
        scratch.mkdir(mode=0o700, exist_ok=True)
        for leftover in scratch.iterdir():
            leftover.unlink()

    @property
    def state(self) -> StateView:
        """State after the head."""
        return self._chain.state

    @property
    def head(self) -> Height:
        """Height of the head."""
        return Height(self._chain.head.header.height)

    def scratch(self, name: str) -> Path:
        """Return a path for a new temporary file."""
        self._numbered += 1
        return self._scratch / f"{self._numbered}.{name}"

    async def obtain(self, digest: Digest) -> None:
        """Make sure that a recorded blob is here, a model with its view; raises Undecidable if nobody has it."""
        async with self._fetches:
            await self._obtain(digest)

    async def _obtain(self, digest: Digest) -> None:
        record = queries.blob(self.state, digest)
        if record is None:
            raise Undecidable(f"blob {digest.hex()}", expected="a recorded one", got="none")
        if not self.store.has(digest):
            await self.fetch(digest, record.size, author=self._author, expires=Height(self.head + OWN_HEIGHTS))
        if isinstance(record.facts, ModelFacts):
            await self.examine(digest, record.facts.layout)
        else:
            self.store.set_facts(digest, record.facts)
        self.set_recorded(digest)

    async def fetch(
        self, digest: Digest, size: int, *, author: PublicKey, expires: Height, first: ValidatorId | None = None
    ) -> None:
        """Fetch a blob from the first peer that sends it whole; raises Undecidable or StorageFull."""
        peers = sorted(self._peers(), key=lambda peer: (peer != first, self._failures[peer], peer))
        failures = []
        for peer in peers:
            with self.store.begin(digest, size, author=author, expires=expires) as incoming:
                try:
                    await self._fetch(peer, digest, incoming.write, size)
                    await asyncio.to_thread(incoming.sync)
                    incoming.finish()
                except (LinkError, BlobMismatch) as error:
                    failures.append(f"{peer}: {error}")
                    if not isinstance(error, BlobNotHere):
                        self._failures[peer] += 1
                        log.warning("fetch-failed", blob=digest.hex(), peer=peer, code=error.code, error=str(error))
                    continue
                self._failures.pop(peer, None)
                return
        raise Undecidable(f"blob {digest.hex()}", expected="a peer that has it", got="; ".join(failures) or "no peer")

    async def examine(self, digest: Digest, layout: Digest) -> BlobFacts:
        """Return the facts of a stored blob, computed once; stores a model's view too.

        Raises what the blob breaks, or BlobNotFound if it is deleted before its turn.
        """
        if layout != ZERO_DIGEST and self.store.record(digest).facts is None and not self.store.has(layout):
            await self._obtain(layout)
        async with self._examining:
            known = self.store.record(digest).facts
            return known if known is not None else await self._examine(digest, layout)

    async def _examine(self, digest: Digest, layout: Digest) -> BlobFacts:
        view = self.scratch("view")
        try:
            answer = await self.worker.facts(
                FactsRequest(
                    path=str(self.store.path(digest)),
                    layout_path=str(self.store.path(layout)) if layout != ZERO_DIGEST else "",
                    view_path=str(view),
                )
            )
            if isinstance(answer.facts, ModelFacts):
                await self.adopt(view, answer.facts.view, expires=self.store.record(digest).expires)
        finally:
            view.unlink(missing_ok=True)
        self.store.set_facts(digest, answer.facts)
        if self.store.record(digest).recorded:
            self.set_recorded(digest)  # the block came first: now there is a view to keep
        return answer.facts

    async def adopt(self, path: Path, digest: Digest, *, expires: Height | None = None) -> None:
        """Store a file that this node's worker wrote; raises StorageFull, BlobMismatch."""
        until = expires or Height(self.head + OWN_HEIGHTS)
        with (
            path.open("rb") as file,
            self.store.begin(digest, os.fstat(file.fileno()).st_size, author=self._author, expires=until) as incoming,
        ):
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                incoming.write(chunk)
            await asyncio.to_thread(incoming.sync)
            incoming.finish()

    def keep_until(self, digest: Digest, expires: Height) -> None:
        """Keep a blob that is not recorded, and its view if it is a model, at least up to a height."""
        for kept in self._with_view(digest):
            self.store.keep_until(kept, expires)

    def set_recorded(self, digest: Digest) -> None:
        """Note that a blob here, and its view if it is a model, must be kept."""
        for kept in self._with_view(digest):
            self.store.set_recorded(kept)

    def _with_view(self, digest: Digest) -> list[Digest]:
        facts = self.store.record(digest).facts
        return [digest, facts.view] if isinstance(facts, ModelFacts) and self.store.has(facts.view) else [digest]

    def on_appended(self, executed: ExecutedBlock) -> None:
        """Delete updates of rounds that a block has put out of reach of what their task retains."""
        for entry in executed.entries:
            if isinstance(entry, ActionEntry) and isinstance(entry.action, RoundDecided | RoundVoided):
                task = queries.task(self.state, entry.action.task)
                assert task is not None
                old = entry.action.round - task.spec.retain_rounds
                if old >= 1:
                    self.forget_round(entry.action.task, RoundNumber(old))

    def forget_round(self, task: str, number: RoundNumber) -> None:
        """Delete the updates of a round that no longer has to be kept, save those that another round still needs."""
        needed = {blob for name, kept in self._kept_rounds(task, number) for blob in self._updates(name, kept)}
        for blob in self._updates(task, number) - needed:
            if self.store.has(blob):
                self.store.delete(blob)

    def owed(self) -> Iterator[Digest]:
        """Yield the recorded blobs that must be kept: all but the updates of rounds that are past keeping.

        A node that joined from a snapshot heard of none of them when they were recorded.
        """
        needed = {blob for name, kept in self._kept_rounds("", RoundNumber(0)) for blob in self._updates(name, kept)}
        for digest, record in queries.blobs(self.state):
            if not isinstance(record.facts, UpdateFacts) or digest in needed:
                yield digest

    def _kept_rounds(self, task: str, number: RoundNumber) -> Iterator[tuple[str, RoundNumber]]:
        """Yield the rounds whose updates are kept once round `number` of `task` is forgotten."""
        for record in queries.tasks(self.state):
            name = record.spec.name
            first = number + 1 if name == task else max(1, record.round - record.spec.retain_rounds)
            yield from ((name, RoundNumber(kept)) for kept in range(first, record.round + 1))

    def _updates(self, task: str, number: RoundNumber) -> set[Digest]:
        accepted = queries.participations(self.state, task, number).values()
        return {item.blob for item in accepted if item.blob is not None}

    def expire(self) -> None:
        """Delete some of the uploads that were not recorded in time; called about once a second."""
        self.store.expire(
            self.head, most=EXPIRE_MAX, is_recorded=lambda digest: queries.blob(self.state, digest) is not None
        )
