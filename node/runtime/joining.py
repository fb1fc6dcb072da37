"""Joining from a snapshot: instead of every block since genesis, the state after a checkpoint that a quorum certified.

A node asks for one when f+1 peers claim heads far above its own, when no peer has the block after its head, or when it
has stood still behind them for long. It believes no claim: a manifest is verified from the genesis file on, a range
against the manifest (`range_fetching`). From far behind it asks for no blocks meanwhile; where no snapshot can be had
it goes on with blocks and tries again later. Once the snapshot is whole the database is built beside the old one, and
the node opens itself again with it (`snapshot_install`). What it then lacks above the checkpoint it fetches as blocks.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ledger.encoding import decode
from ledger.errors import InputError, QuorateError, Undecidable, VerificationFailed
from ledger.genesis import Genesis
from ledger.quantities import Height, ValidatorId
from ledger.snapshots import SnapshotManifest, verify_manifest
from ledger.state_ranges import StateRange
from node.config import SnapshotSection
from node.runtime.range_fetching import Ask, RangeFetch
from node.runtime.snapshot_wire import ManifestAsked, encode_question
from node.runtime.tasks import Tasks
from node.runtime.threads import in_thread
from node.storage.errors import SnapshotUnusable
from node.storage.snapshot_fetched import DATABASE, FetchedRanges
from node.storage.snapshot_install import build_database
from node.storage.snapshot_shelf import MANIFEST_BYTES_MAX
from node.transport.errors import LinkError

log = structlog.get_logger()

MANIFEST_SECONDS = 30.0
STUCK_SECONDS = 30.0
"""After so long behind f+1 peers at one height, whoever claims to have the next block does not send it."""
RETRY_SECONDS_MIN = 2.0
"""Wait after an attempt that led nowhere; doubles with each further one."""
RETRY_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where this node stands among its peers, as the engine sees it."""

    head: Height
    certain: Height
    """Height that an honest peer has reached."""
    serving: list[ValidatorId]
    """Those that claim to have the block after our head."""
    weak_quorum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinProgress:
    """A join that is under way."""

    height: Height
    """Of the checkpoint."""
    ranges: int
    ranges_here: int
    """Fetched and verified."""


@dataclass(slots=True)
class Candidate:
    """A verified checkpoint, and the peers that say they hold its snapshot."""

    manifest: SnapshotManifest
    holders: set[ValidatorId] = field(default_factory=set)


class Joiner:
    """Watches whether this node should join from a snapshot, and does it."""

    def __init__(
        self,
        *,
        folder: Path,
        genesis: Genesis,
        section: SnapshotSection,
        standing: Callable[[], Standing],
        peers: Callable[[], frozenset[ValidatorId]],
        ask: Ask,
        on_ready: Callable[[Height, Path], None],
        tasks: Tasks,
    ) -> None:
        """Keep what is fetched in `folder`; give (height, built database) to `on_ready`, once."""
        self._folder = folder
        self._genesis = genesis
        self._section = section
        self._standing = standing
        self._peers = peers
        self._ask = ask
        self._on_ready = on_ready
        self._tasks = tasks
        self._stopping = threading.Event()
        self._running = False
        self._hopeful = True
        self._fetched: FetchedRanges | None = None
        self._liars: set[ValidatorId] = set()
        """Peers that sent something else than they had offered; asked no more until this node starts again."""
        self._moved = (Height(0), time.monotonic())
        """Head, and since when it has been that."""
        self._retry_at = 0.0
        self._retry_seconds = RETRY_SECONDS_MIN

    @property
    def progress(self) -> JoinProgress | None:
        """Return how far a join is that is under way."""
        if self._fetched is None:
            return None
        ranges = len(self._fetched.manifest.ranges)
        return JoinProgress(
            height=self._fetched.manifest.height,
            ranges=ranges,
            ranges_here=ranges - self._fetched.missing_count,
        )

    @property
    def blocks_behind_max(self) -> int | None:
        """From how far behind blocks may be asked for; None, from anywhere, once no snapshot could be had."""
        return self._section.join_blocks if self._section.join and self._hopeful else None

    def tick(self) -> None:
        """Begin to join if that is due; called about once a second."""
        now = time.monotonic()
        standing = self._standing()
        if standing.head != self._moved[0]:
            self._moved = (standing.head, now)
        if self._running or not self._section.join or now < self._retry_at:
            return
        if self._least_height(standing, now) is not None:
            self._running = self._hopeful = True
            self._tasks.spawn(self._attempt(), name="join")

    def _least_height(self, standing: Standing, now: float) -> Height | None:
        """Return the height from which on a snapshot is worth having; None while blocks will do."""
        behind = standing.certain - standing.head
        if behind > self._section.join_blocks:
            return Height(standing.head + self._section.join_blocks // 2 + 1)
        if behind and (not standing.serving or now - self._moved[1] > STUCK_SECONDS):
            return Height(standing.head + 1)
        return None

    async def _attempt(self) -> None:
        try:
            await self._join()
        except QuorateError as error:
            self._hopeful = False
            log.warning("join-failed", code=error.code, error=str(error))
        finally:
            self._fetched = None
            self._running = False
            self._retry_at = time.monotonic() + self._retry_seconds
            self._retry_seconds = min(2 * self._retry_seconds, RETRY_SECONDS_MAX)

    async def _join(self) -> None:
        """Fetch, build and hand over the best snapshot there is; raises Undecidable where there is none."""
        begun = await asyncio.to_thread(FetchedRanges.resume, self._folder)
        for candidate in self._ranked(await self._candidates(), begun):
            if begun is not None and is_same(begun.manifest, candidate.manifest):
                self._fetched = begun
            else:
                self._fetched = FetchedRanges.begin(self._folder, candidate.manifest)
            fetched, height = self._fetched, candidate.manifest.height
            log.info("joining", height=height, ranges=len(fetched.manifest.ranges), missing=fetched.missing_count)
            fetch = RangeFetch(fetched, candidate.holders, self._ask)
            whole = await fetch.run()
            self._liars |= fetch.liars
            if whole and height > self._standing().head:
                await self._build(fetched)
                self._on_ready(height, fetched.folder / DATABASE)
                return
        raise Undecidable("snapshot", expected="one far enough above the head that peers send whole", got="none")

    async def _build(self, fetched: FetchedRanges) -> None:
        """Build the database; raises SnapshotUnusable where the disk has changed a range, which is fetched again."""

        def ranges() -> Iterator[StateRange]:
            for part in fetched.ranges():
                if self._stopping.is_set():
                    raise SnapshotUnusable("database of a snapshot", expected="time to build it", got="an end")
                yield part

        folder = fetched.folder / DATABASE
        try:
            await self._thread(lambda: build_database(folder, fetched.manifest, ranges, self._genesis))
        except SnapshotUnusable:
            await self._thread(fetched.drop_damaged)
            raise

    async def _candidates(self) -> list[Candidate]:
        """Return the checkpoints that peers offer, each verified from genesis on."""
        found: list[Candidate] = []
        peers = sorted(self._peers() - self._liars)
        for peer, manifest in zip(peers, await asyncio.gather(*map(self._offer, peers)), strict=True):
            if manifest is None:
                continue
            known = next((one for one in found if is_same(one.manifest, manifest)), None)
            if known is None:
                found.append(known := Candidate(manifest))
            known.holders.add(peer)
        return found

    async def _offer(self, peer: ValidatorId) -> SnapshotManifest | None:
        """Return a peer's newest checkpoint, verified, or None."""
        try:
            data = await self._ask(peer, encode_question(ManifestAsked()), MANIFEST_BYTES_MAX, MANIFEST_SECONDS)
            if data is None:
                return None
            return await asyncio.to_thread(_verified, data, self._genesis)
        except (InputError, VerificationFailed, Undecidable) as error:
            self._liars.add(peer)
            log.warning("snapshot-manifest-wrong", peer=peer, code=error.code, error=str(error))
        except LinkError as error:
            log.info("snapshot-manifest-failed", peer=peer, code=error.code, error=str(error))
        return None

    def _ranked(self, candidates: list[Candidate], begun: FetchedRanges | None) -> list[Candidate]:
        """Return those worth having, best first: what was begun, what an honest peer must hold too, the newest."""
        standing = self._standing()
        least = self._least_height(standing, time.monotonic())
        return sorted(
            (one for one in candidates if least is not None and one.manifest.height >= least),
            key=lambda one: (
                begun is not None and is_same(begun.manifest, one.manifest),
                min(len(one.holders), standing.weak_quorum),
                one.manifest.height,
            ),
            reverse=True,
        )

    async def _thread(self, work: Callable[[], None]) -> None:
        await in_thread(work, on_cancel=self._stopping.set)


def is_same(one: SnapshotManifest, other: SnapshotManifest) -> bool:
    """Return whether two manifests are of one snapshot; nodes may hold different certificates of its block."""
    return (one.header, one.ranges) == (other.header, other.ranges)


def _verified(data: bytes, genesis: Genesis) -> SnapshotManifest:
    manifest = decode(data, SnapshotManifest)
    verify_manifest(manifest, genesis)
    return manifest
