"""The listening socket: accepts, finds out who it is, and hands validators on; strangers cost little and are dropped.

Sockets are accepted by hand instead of by `asyncio.start_server`, which gives no say in how many connections may be in
their handshake, and keeps to itself why one failed.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from node.transport.connection import Connection
from node.transport.errors import LinkError, LinkFailed
from node.transport.events import LinkEvent, LinkEventKind, OnEvent
from node.transport.handshake import Endpoint, LinkPurpose, admit
from node.transport.sockets import format_address
from node.transport.tasks import TaskSet

ACCEPT_PAUSE_SECONDS = 0.5
"""Wait after the system refused another socket: descriptors come back as connections end."""

Handler = Callable[[Connection], Awaitable[None]]
"""Serves one connection until it ends; the listener closes it then."""


class Listener:
    """Admits validators at one socket, which it owns."""

    def __init__(
        self,
        sock: socket.socket,
        endpoint: Endpoint,
        *,
        handlers: dict[LinkPurpose, Handler],
        tasks: TaskSet,
        on_event: OnEvent,
    ) -> None:
        self._socket = sock
        self._endpoint = endpoint
        self._handlers = handlers
        self._tasks = tasks
        self._on_event = on_event
        self._strangers: dict[asyncio.Task[None], str] = {}
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept connections from now on."""
        self._socket.settimeout(0)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Accept no more; connections are closed by their tasks. Does nothing the second time."""
        if self._socket.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        """Take one connection: the next turn of the loop brings the next one."""
        try:
            sock, address = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            self._pause = loop.call_later(ACCEPT_PAUSE_SECONDS, self.start)
            failure = LinkFailed("accepting a connection", expected="a socket", got=error)
            self._on_event(LinkEvent(kind=LinkEventKind.ACCEPT_FAILED, error=failure))
            return
        sock.settimeout(0)
        where = format_address(address[:2])
        self._make_room()
        task = self._tasks.spawn(self._serve(sock, where), name=f"connection from {where}")
        self._strangers[task] = where
        task.add_done_callback(lambda _: self._strangers.pop(task, None))
        # For a task that is cancelled before its first step; any other has closed its connection by then.
        task.add_done_callback(lambda _: sock.close())

    def _make_room(self) -> None:
        """Drop the oldest stranger at the limit: a validator needs milliseconds to prove itself, so it is not one."""
        strangers_max = self._endpoint.limits.strangers_max
        if len(self._strangers) < strangers_max:
            return
        oldest = next(iter(self._strangers))
        error = LinkFailed("strangers", expected=f"at most {strangers_max} at a time", got="one more")
        self._refuse(self._strangers.pop(oldest), error)
        oldest.cancel()

    async def _serve(self, sock: socket.socket, where: str) -> None:
        try:
            connection, purpose = await admit(self._endpoint, sock, where)
        except LinkError as error:
            self._refuse(where, error)
            return
        task = asyncio.current_task()
        assert task is not None
        del self._strangers[task]
        try:
            await self._handlers[purpose](connection)
        finally:
            connection.abort()

    def _refuse(self, where: str, error: LinkError) -> None:
        self._on_event(LinkEvent(kind=LinkEventKind.INCOMING_REFUSED, address=where, error=error))
