"""Who is told of what consensus reports, and of peers that break the protocol: the log, metrics, tests."""

from collections.abc import Callable

import structlog

from consensus.errors import ProtocolViolation
from consensus.ports import Event
from node.runtime.log_pace import Pace

log = structlog.get_logger()


class Listeners:
    """Logs, and passes on."""

    def __init__(self) -> None:
        self._on_event: list[Callable[[Event], None]] = []
        self._on_violation: list[Callable[[ProtocolViolation], None]] = []
        self._violations = Pace()

    def on_event(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with what consensus reports."""
        self._on_event.append(listener)

    def on_violation(self, listener: Callable[[ProtocolViolation], None]) -> None:
        """Call `listener` when a peer breaks the protocol."""
        self._on_violation.append(listener)

    def _report(self, event: Event) -> None:
        log.info(event.name, height=event.height, view=event.view, detail=event.detail)
        for listener in self._on_event:
            listener(event)

    def _violation(self, error: ProtocolViolation) -> None:
        count = self._violations.count(error.sender)
        if count:
            log.warning("protocol-violation", peer=error.sender, code=error.code, error=str(error), count=count)
        for listener in self._on_violation:
            listener(error)
