"""Blobs at this node: stored, fetched from peers, examined by the worker, kept as long as they are owed."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from contracts import queries
from ledger.blobs import BlobFacts, ModelFacts
from ledger.errors import Undecidable
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.keys import PublicKey
from ledger.quantities import Height, RoundNumber, ValidatorId
from ledger.state import StateView
from node.runtime.workers import Worker
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.transport.errors import LinkError
from node.worker_protocol import FactsRequest

CHUNK_BYTES = 2**20
FETCHES_MAX = 4
"""Recorded blobs fetched at a time."""
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
        """Fetch a blob from the first peer that has it; raises Undecidable, StorageFull, BlobMismatch."""
        peers = sorted(self._peers(), key=lambda peer: (peer != first, peer))
        failures = []
        for peer in peers:
            with self.store.begin(digest, size, author=author, expires=expires) as incoming:
                try:
                    await self._fetch(peer, digest, incoming.write, size)
                except LinkError as error:
                    failures.append(f"{peer}: {error}")
                    continue
                incoming.finish()
                return
        raise Undecidable(f"blob {digest.hex()}", expected="a peer that has it", got="; ".join(failures) or "no peer")

    async def examine(self, digest: Digest, layout: Digest) -> BlobFacts:
        """Return the facts of a stored blob, computed once; stores a model's view too. Raises what the blob breaks."""
        known = self.store.record(digest).facts
        if known is not None:
            return known
        if layout != ZERO_DIGEST and not self.store.has(layout):
            await self._obtain(layout)
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
                self.adopt(view, answer.facts.view, expires=self.store.record(digest).expires)
        finally:
            view.unlink(missing_ok=True)
        self.store.set_facts(digest, answer.facts)
        return answer.facts

    def adopt(self, path: Path, digest: Digest, *, expires: Height | None = None) -> None:
        """Store a file that this node's worker wrote; raises StorageFull, BlobMismatch."""
        until = expires or Height(self.head + OWN_HEIGHTS)
        with self.store.begin(digest, path.stat().st_size, author=self._author, expires=until) as incoming:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    incoming.write(chunk)
            incoming.finish()

    def set_recorded(self, digest: Digest) -> None:
        """Note that a blob here, and its view if it is a model, must be kept."""
        self.store.set_recorded(digest)
        facts = self.store.record(digest).facts
        if isinstance(facts, ModelFacts) and self.store.has(facts.view):
            self.store.set_recorded(facts.view)

    def forget_round(self, task: str, number: RoundNumber) -> None:
        """Delete the updates of a round that no longer has to be kept, unless a later round uses the same bytes."""
        record = queries.task(self.state, task)
        assert record is not None
        later = {
            item.blob
            for after in range(number + 1, record.round + 1)
            for item in queries.participations(self.state, task, RoundNumber(after)).values()
        }
        for item in queries.participations(self.state, task, number).values():
            if item.blob is not None and item.blob not in later and self.store.has(item.blob):
                self.store.delete(item.blob)

    def expire(self) -> None:
        """Delete uploads that were not recorded in time."""
        self.store.expire(self.head, is_recorded=lambda digest: queries.blob(self.state, digest) is not None)
