"""Fetching the ranges of a snapshot from all peers that hold it, at once.

Each peer is asked for a few ranges at a time. What it sends is verified on arrival: a peer that sends anything else is
asked no more and its range goes to another one. Whoever has nothing left to ask for asks for what a slower peer has not
sent yet, so one that sends for ever, or as slowly as the time limit lets it, holds up nobody.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable

import structlog

from ledger.errors import InputError, InvalidProof
from ledger.quantities import ValidatorId
from node.runtime.snapshot_wire import RangeAsked, encode_question
from node.storage.snapshot_cutting import RANGE_BYTES_MAX
from node.storage.snapshot_fetched import FetchedRanges
from node.transport.errors import LinkError, ProtocolBroken

log = structlog.get_logger()

QUESTIONS_PER_PEER = 2
ASKED_MAX = 2
"""Peers that are asked for one range at a time."""
RANGE_SECONDS = 60.0
"""Longest that a range may take: 16 MiB over a slow link."""
FAILURES_MAX = 3
"""Broken connections in a row after which a peer is left alone."""

Ask = Callable[[ValidatorId, bytes, int, float], Awaitable[bytes | None]]
"""(peer, question, most bytes, seconds): the answer, or none where the peer has none; raises LinkError."""


class RangeFetch:
    """One attempt at the missing ranges of one checkpoint."""

    def __init__(self, fetched: FetchedRanges, holders: Iterable[ValidatorId], ask: Ask) -> None:
        self._fetched = fetched
        self._holders = sorted(holders)
        self._ask = ask
        self._pending = deque(fetched.missing)
        self._asked: dict[int, set[ValidatorId]] = {}
        """Peers that are being asked for a range."""
        self._failures: Counter[ValidatorId] = Counter()
        self._keeping = asyncio.Lock()
        self._waiters: list[asyncio.Future[None]] = []
        self.liars: set[ValidatorId] = set()
        """Peers that sent something else than the range they were asked for."""

    async def run(self) -> bool:
        """Fetch until nothing is missing (True), or nobody is left who could send it; raises StorageFailed."""
        work = [self._work(peer) for peer in self._holders for _ in range(QUESTIONS_PER_PEER)]
        workers = [asyncio.get_running_loop().create_task(one) for one in work]
        for worker in workers:
            worker.add_done_callback(lambda _: self._notify())
        try:
            while not self._fetched.is_complete and not all(worker.done() for worker in workers):
                await self._wait()
            for worker in workers:
                if worker.done():
                    worker.result()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return self._fetched.is_complete

    async def _work(self, peer: ValidatorId) -> None:
        while peer not in self.liars and self._failures[peer] < FAILURES_MAX and not self._fetched.is_complete:
            index = self._next(peer)
            if index is None:
                await self._wait()  # another one may give a range back
            else:
                await self._fetch(peer, index)

    def _next(self, peer: ValidatorId) -> int | None:
        """Return a range that nobody is asked for, else one that a single other peer is asked for, or None."""
        if self._pending:
            return self._pending.popleft()
        slow = (index for index, asked in self._asked.items() if len(asked) < ASKED_MAX and peer not in asked)
        return next(slow, None)

    async def _fetch(self, peer: ValidatorId, index: int) -> None:
        question = encode_question(RangeAsked(height=self._fetched.manifest.height, index=index))
        self._asked.setdefault(index, set()).add(peer)
        try:
            data = await self._ask(peer, question, RANGE_BYTES_MAX, RANGE_SECONDS)
            if data is None:  # superseded there meanwhile
                self._failures[peer] = FAILURES_MAX
                return
            await self._keep(index, data)
            self._failures[peer] = 0
        except (InputError, InvalidProof, ProtocolBroken) as error:
            self.liars.add(peer)
            log.warning("snapshot-range-wrong", peer=peer, range=index, code=error.code, error=str(error))
        except LinkError as error:
            self._failures[peer] += 1
            log.info("snapshot-range-failed", peer=peer, range=index, code=error.code, error=str(error))
        finally:
            self._give_back(peer, index)

    async def _keep(self, index: int, data: bytes) -> None:
        async with self._keeping:
            if not self._fetched.has(index):
                await asyncio.to_thread(self._fetched.put, index, data)

    def _give_back(self, peer: ValidatorId, index: int) -> None:
        self._asked[index].discard(peer)
        if not self._asked[index]:
            del self._asked[index]
            if not self._fetched.has(index):
                self._pending.append(index)
        self._notify()

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _notify(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
