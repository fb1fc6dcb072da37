"""Background tasks that never end unseen: each is tracked, its failure reported, and all are awaited at the end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from node.transport.errors import LinkFailed

T = TypeVar("T")


class TaskSet:
    """The tasks of one node's links."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run `work` in the background; an exception that it raises is a bug, for the loop's exception handler."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def call(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """Return what `work` returns; raises LinkFailed where `close` comes first."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise LinkFailed(name, expected="links that are open", got="closed ones") from None

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)
