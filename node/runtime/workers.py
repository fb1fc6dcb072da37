"""The worker process as the node sees it: started when first needed, one request at a time, replaced when it fails.

A pool from the standard library would outlive a node that is killed (its children keep their own queue open); this one
ends with its stdin.
"""

import asyncio
import contextlib
import os
import sys

import aggregation.errors  # noqa: F401 - the classes that a refusal may name
from ledger.encoding import decode, encode
from ledger.errors import QuorateError
from node.errors import WorkerFailed
from node.worker_protocol import (
    LENGTH,
    MESSAGE_BYTES_MAX,
    AggregateAnswer,
    AggregateRequest,
    Answer,
    Call,
    CutAnswer,
    CutRequest,
    FactsAnswer,
    FactsRequest,
    Refusal,
    Reply,
    Request,
)

IDLE_SECONDS = 60.0
"""After so long without work the process is ended, and its memory given back."""


def refused(refusal: Refusal) -> QuorateError:
    """Return the error that the other process refused with, as its own class."""
    classes: list[type[QuorateError]] = [QuorateError]
    for kind in classes:
        classes += kind.__subclasses__()
        if kind.code == refusal.code:
            return kind(refusal.what, expected=refusal.expected, got=refusal.got)
    raise AssertionError(refusal.code)


class Worker:
    """One worker process at a time, and a queue before it."""

    def __init__(self, *, seconds_max: float) -> None:
        self.seconds_max = seconds_max
        """Longest that one request may take."""
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Number of the running process."""
        return None if self._process is None else self._process.pid

    async def facts(self, request: FactsRequest) -> FactsAnswer:
        """Return a blob's facts; raises what the blob breaks, or WorkerFailed."""
        answer = await self._ask(request)
        assert isinstance(answer, FactsAnswer)
        return answer

    async def aggregate(self, request: AggregateRequest) -> AggregateAnswer:
        """Return what is to be attested for a round; raises what the inputs break, or WorkerFailed."""
        answer = await self._ask(request)
        assert isinstance(answer, AggregateAnswer)
        return answer

    async def cut(self, request: CutRequest) -> CutAnswer:
        """Return the roots of a state's ranges; raises InvalidProof, TooLarge, StorageFailed or WorkerFailed."""
        answer = await self._ask(request)
        assert isinstance(answer, CutAnswer)
        return answer

    async def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
        await self._end()

    async def _ask(self, request: Request) -> Answer:
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            try:
                async with asyncio.timeout(self.seconds_max):
                    answer = await self._exchange(request)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                await self._end()
                raise WorkerFailed(
                    "worker process", expected=f"an answer within {self.seconds_max} s", got=type(error).__name__
                ) from error
            except asyncio.CancelledError:
                await self._end()
                raise
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire)
        if isinstance(answer, Refusal):
            raise refused(answer)
        return answer

    async def _exchange(self, request: Request) -> Answer:
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        data = encode(Call(request=request))
        assert len(data) <= MESSAGE_BYTES_MAX
        process.stdin.write(LENGTH.pack(len(data)) + data)
        await process.stdin.drain()
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        return decode(await process.stdout.readexactly(size), Reply).answer

    async def _start(self) -> asyncio.subprocess.Process:
        # One thread: a second one spins at barriers beside a busy node. Isolated: no module of the working directory.
        # A group of its own: Ctrl-C is for the node alone, which still answers callers that wait for the worker.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "node.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            process_group=0,
        )
        return self._process

    def _retire(self) -> None:
        """Let an idle process end by itself: its stdin ends."""
        if self._process is not None and not self._turn.locked():
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
