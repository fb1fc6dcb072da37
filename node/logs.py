"""One log line an event, text or JSON, on stderr; never a key, a ticket or a tensor.

Fields are names and numbers: height, view, a transaction's id, a peer's number. Bytes are refused by the renderer, so a
key or a blob cannot slip in as a field; line ends are escaped, so nobody outside can forge a line. What libraries log
takes the same way.
"""

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from node.config import LogSection

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(section: LogSection) -> None:
    """Set up structlog for this process, and send what libraries log and warn of the same way."""
    level = _LEVELS[section.level]
    finish: list[Processor] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        refuse_bytes,
        exception_as_field,
        structlog.processors.JSONRenderer(sort_keys=False)
        if section.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
    ]
    structlog.configure(
        processors=[structlog.processors.add_log_level, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", LogStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, of_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.captureWarnings(capture=True)


class LogStream:
    """A stream that drops what cannot be written: no room, or nobody at the other end of the pipe.

    A validator whose log is on a full disk can still vote; one that stops in the middle of a turn because a line could
    not be written has neither stopped nor gone on.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a line, or not."""
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Pass on what the stream holds, or not."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def refuse_bytes(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace raw bytes, in whatever they stand, by their length."""
    return {name: _without_bytes(value) for name, value in event.items()}


def _without_bytes(value: Any) -> Any:  # noqa: ANN401 - any field of any event
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_bytes(item) for item in value]
    if isinstance(value, dict):
        return {_without_bytes(name): _without_bytes(item) for name, item in value.items()}
    return value


def exception_as_field(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn a formatted exception into a field like any other: in one line."""
    if "exception" in event:
        event["traceback"] = event.pop("exception")
    return event


def of_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn a library's free text into a field."""
    return {**event, "event": "library", "said": event["event"]}
