"""Threads that outlive no task: whoever is cancelled waits until the thread has ended, and may tell it to hurry."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, on_cancel: Callable[[], None]) -> T:
    """Return what `work` returns in a thread; when cancelled, call `on_cancel` and let the thread end first."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise
