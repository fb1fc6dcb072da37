"""One log line an event, text or JSON, on stderr; never a key, a ticket or a tensor.

Fields are names and numbers: height, view, a transaction's id, a peer's number. Bytes are refused by the renderer, so a
key or a blob cannot slip in as a field.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from node.config import LogSection

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(section: LogSection) -> None:
    """Set up structlog for this process, and send what libraries log the same way."""
    level = _LEVELS[section.level]
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if section.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            refuse_bytes,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=max(level, logging.WARNING), format="%(asctime)s %(name)s %(message)s")


def refuse_bytes(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace every field of raw bytes by its length."""
    return {
        name: f"<{len(value)} bytes>" if isinstance(value, bytes | bytearray | memoryview) else value
        for name, value in event.items()
    }
