"""Calls at a time, and calls that are held until the chain has moved on."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.requests import Request

from node.rest.errors import Overloaded

T = TypeVar("T")


class Slots:
    """A limit on how many of something go on at a time; more are refused, never queued."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot; raises Overloaded when all are taken."""
        if self._taken >= self._most:
            raise Overloaded(self._what, expected=f"at most {self._most} at a time", got=self._taken + 1)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class HeldCalls:
    """Calls with `?wait=`: let go early when their caller has gone or the node stops."""

    def __init__(self) -> None:
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let every held call answer with what is known now, and hold no more."""
        self._ending.set()

    async def hold(self, request: Request, work: Coroutine[Any, Any, T | None]) -> T | None:
        """Return what `work` returns, or None if the wait was cut short; the request's body must have been read."""
        waited = asyncio.ensure_future(work)
        others = [asyncio.ensure_future(self._ending.wait()), asyncio.ensure_future(_gone(request))]
        try:
            await asyncio.wait([waited, *others], return_when=asyncio.FIRST_COMPLETED)
            return waited.result() if waited.done() else None
        finally:
            for task in (waited, *others):
                task.cancel()
            await asyncio.gather(waited, *others, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
