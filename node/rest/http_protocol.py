"""uvicorn's HTTP protocol with the limits that it lacks: heads in bytes and seconds, stalled answers, connections.

The parser (httptools) gathers a header for as long as it arrives, and uvicorn waits for the first request, and for a
caller that stopped reading, without end. What is refused here is refused before there is a request to route, so the
problem document is written by hand.
"""

import asyncio

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from node.rest.errors import BadRequest, HeadersTooLarge, Overloaded, RestError
from node.rest.problems import problem_answer

HEAD_BYTES_MAX = 65_536
"""Of a head that is not complete yet, beside what the socket gave together with its beginning."""
HEAD_SECONDS = 15.0
"""From its first byte, or from the connection's beginning, to its end."""
STALL_SECONDS = 60.0
"""Longest that a caller may leave an answer unread."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection; `Config.limit_concurrency` is the most connections at a time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connections_max = config.limit_concurrency
        self.limit_concurrency = None
        self._head_bytes: int | None = None
        """Of the head that is arriving; none between requests."""
        self._answered = False
        """Whether the answer to the last head is out."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn narrows it
        """Begin a connection, or refuse one too many."""
        super().connection_made(transport)
        if self._connections_max is not None and len(self.connections) > self._connections_max:
            self._refuse(Overloaded("connections", expected=f"at most {self._connections_max}", got="one more"))
        else:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._stall_timer, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, as long as it may."""
        if self.transport.is_closing():
            return
        had_begun = self._head_bytes is not None
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data) if had_begun else 0
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(HeadersTooLarge("head", expected=f"at most {HEAD_BYTES_MAX} bytes", got="more"))
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
        elif self._answered and self.timeout_keep_alive_task is None:
            # The rest of a body whose answer is out: uvicorn has stopped the clock, and would wait for ever.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that a head is complete."""
        self._head_bytes = None
        self._answered = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Note that an answer is out."""
        self._answered = not self.pipeline
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Give a caller that reads nothing some time, and no more."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the caller reads again."""
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(BadRequest("request", expected="HTTP/1.1", got=msg))

    def _refuse(self, error: RestError) -> None:
        answer = problem_answer(error)
        lines = [b"HTTP/1.1 %d \r\n" % answer.status_code]
        lines += [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join(lines) + b"connection: close\r\n\r\n" + bytes(answer.body))
        self.transport.close()
