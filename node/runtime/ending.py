"""How a node comes to its end, and what its process does then."""

import asyncio

import structlog

from ledger.errors import QuorateError
from node.errors import OperatorNeeded

log = structlog.get_logger()

LEAVE_SECONDS = 1.0
"""Between the last block that this software knows and the end: time for its votes to reach the others."""
EXIT_FATAL = 70
"""The node stopped because it could not go on safely; where a person is needed first, `OperatorNeeded` has its own."""


class Ending:
    """A node's own wish to end; whoever runs it waits for `ending`, and stops it."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        """Set when the node cannot go on; `exit_code` says why."""
        self.exit_code = 0
        self.reopens = False
        """Whether it is to be opened again at once, having joined from a snapshot."""

    def _fatal(self, error: BaseException) -> None:
        code = error.code if isinstance(error, QuorateError) else "internal-error"
        hint = error.hint if isinstance(error, QuorateError) else ""
        self.exit_code = error.exit_code if isinstance(error, OperatorNeeded) else EXIT_FATAL
        self.ending.set()
        log.error("cannot-go-on", code=code, error=str(error), hint=hint, exc_info=error)

    def _end_soon(self, error: BaseException) -> None:
        """End once what was said last is everywhere."""
        asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._fatal, error)
