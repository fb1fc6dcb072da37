"""Opening asyncio's TLS streams so that nothing of a connection outlives its opener."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from node.transport.sockets import Address

READ_BUFFER_BYTES = 256 * 2**10
"""asyncio stops reading from the socket at twice as much."""


class _Protocol(asyncio.StreamReaderProtocol):
    """Remembers its transport, which asyncio hands out only where opening has succeeded."""

    transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        super().connection_made(transport)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Connect = Callable[[Callable[[], _Protocol]], Awaitable[tuple[asyncio.Transport, _Protocol]]]


async def connect_tls(address: Address, context: ssl.SSLContext) -> Streams:
    """Connect to an address; raises OSError, of which ssl.SSLError is one kind."""
    host, port = address
    loop = asyncio.get_running_loop()
    # No server name: certificates are recorded, not named, and nobody else need know whom we dial.
    return await _open(lambda make: loop.create_connection(make, host, port, ssl=context, server_hostname=""))


async def accept_tls(sock: socket.socket, context: ssl.SSLContext) -> Streams:
    """Take over an accepted socket; raises OSError, of which ssl.SSLError is one kind."""
    loop = asyncio.get_running_loop()
    return await _open(lambda make: loop.connect_accepted_socket(make, sock, ssl=context))


async def _open(connect: _Connect) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BUFFER_BYTES, loop=loop)
    protocol = _Protocol(reader, loop=loop)
    try:
        transport, _ = await connect(lambda: protocol)
    except BaseException:
        # Cancelled in the turn in which the handshake ended: asyncio would close politely, and wait for the other end.
        if protocol.transport is not None:
            protocol.transport.abort()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
