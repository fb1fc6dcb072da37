"""Background work of a node: tracked, logged when it fails, ended with the node."""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from ledger.errors import QuorateError
from node.storage.errors import DatabaseDamaged, StorageFailed

log = structlog.get_logger()


class Tasks:
    """The tasks that one node has started."""

    def __init__(self, *, on_fatal: Callable[[BaseException], None]) -> None:
        """Call `on_fatal` when work finds the disk failing: what is there is known again only after a restart."""
        self._on_fatal = on_fatal
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None], *, name: str) -> None:
        """Run `work` in the background; a failure is logged and ends that work only."""
        task = asyncio.get_running_loop().create_task(self._guard(work, name), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: work.close())  # for a task that is cancelled before its first step

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _guard(self, work: Coroutine[None, None, None], name: str) -> None:
        try:
            await work
        except (StorageFailed, DatabaseDamaged) as error:
            self._on_fatal(error)
        except QuorateError as error:
            log.warning("duty-failed", duty=name, code=error.code, error=str(error))
        except Exception:
            log.exception("duty-crashed", duty=name)
