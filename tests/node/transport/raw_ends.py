"""Raw ends of connections, which break the rules, for the tests of transport."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ledger.encoding import encode
from node.transport.frames import join_frames, read_frame
from node.transport.handshake import Hello, LinkPurpose
from node.transport.sockets import Address, listening_socket
from node.transport.streams import accept_tls
from node.transport.tasks import TaskSet
from node.transport.tls import LinkTls
from tests.node.transport.network import GREETING


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One end of a connection in the hands of a test."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_frame(self, payload: bytes) -> None:
        await self.send(join_frames([payload]))

    async def read_frame(self) -> bytes | None:
        return await read_frame(self.reader, bytes_max=2**20)

    def stop_reading(self) -> None:
        """Take nothing more from the connection, which stays open."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    async def ended(self) -> None:
        """Wait until the other end has closed."""
        try:
            while await self.reader.read(2**16):
                pass
        except OSError:
            pass


@asynccontextmanager
async def connect(address: Address, context: ssl.SSLContext | None) -> AsyncIterator[Raw]:
    """Connect to a node by hand."""
    server_hostname = None if context is None else ""
    reader, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=server_hostname)
    try:
        yield Raw(reader=reader, writer=writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def linked(
    address: Address, tls: LinkTls, purpose: LinkPurpose, greeting: bytes = GREETING
) -> AsyncIterator[Raw]:
    """Connect to a node as a validator that has said hello and was answered."""
    async with connect(address, tls.client) as raw:
        hello = encode(Hello(purpose=purpose, greeting=greeting))
        await raw.send_frame(hello)
        assert await raw.read_frame() == hello
        yield raw


@asynccontextmanager
async def accepting(answer: Callable[[Raw], Awaitable[None]], context: ssl.SSLContext | None) -> AsyncIterator[Address]:
    """Listen, and treat whoever comes as `answer` does."""
    listener = listening_socket(("127.0.0.1", 0))
    listener.settimeout(0)

    async def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            opening = asyncio.open_connection(sock=sock) if context is None else accept_tls(sock, context)
            reader, writer = await opening
            try:
                await answer(Raw(reader=reader, writer=writer))
            finally:
                writer.transport.abort()

    async def accept() -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            tasks.spawn(serve(sock), name="accepted")

    tasks = TaskSet()
    tasks.spawn(accept(), name="accepting")
    try:
        yield listener.getsockname()
    finally:
        await tasks.close()
        listener.close()


async def greeted(raw: Raw) -> None:
    """Answer a dialler's hello with the same."""
    hello = await raw.read_frame()
    assert hello is not None
    await raw.send_frame(hello)
