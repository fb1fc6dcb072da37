"""Before a link carries anything: TLS, who is at the other end, and a hello that names the chain and the purpose.

Each side runs under one time limit. What goes wrong is a LinkRefused (no other try will help until somebody changes
something), a ProtocolBroken or a LinkFailed, and the connection is closed.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from ledger.encoding import Noun, decode, encode
from ledger.errors import InputError
from ledger.quantities import ValidatorId
from node.transport.connection import Connection, network, time_limit
from node.transport.errors import LinkFailed, LinkRefused, OtherChain, ProtocolBroken
from node.transport.limits import LinkLimits
from node.transport.sockets import Address, format_address, tune
from node.transport.streams import accept_tls, connect_tls
from node.transport.tls import LinkTls, peer_of

GREETING_BYTES_MAX = 256
HELLO_BYTES_MAX = 512
"""Longest hello frame: before it, nothing is known of the other end but its certificate."""


class LinkPurpose(StrEnum):
    """What a connection is for."""

    MESSAGES = "messages"
    BLOBS = "blobs"
    SNAPSHOTS = "snapshots"


class Hello(Noun, frozen=True, kw_only=True):
    """First frame in each direction."""

    purpose: LinkPurpose
    greeting: Annotated[bytes, Meta(max_length=GREETING_BYTES_MAX)]
    """Chain id and protocol version, as the node writes them; must be equal on both ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What this node is on all of its links."""

    tls: LinkTls
    greeting: bytes
    limits: LinkLimits

    def __post_init__(self) -> None:
        assert len(self.greeting) <= GREETING_BYTES_MAX

    def hello(self, purpose: LinkPurpose) -> bytes:
        """Return our hello."""
        return encode(Hello(purpose=purpose, greeting=self.greeting))


async def dial(endpoint: Endpoint, peer: ValidatorId, address: Address, purpose: LinkPurpose) -> Connection:
    """Connect to a peer; raises LinkRefused, OtherChain, ProtocolBroken or LinkFailed."""
    where = format_address(address)
    what = f"dialling validator {peer} at {where}"
    async with _handshake(what, endpoint.limits):
        reader, writer = await connect_tls(address, endpoint.tls.client)
        with _aborting(writer):
            tune(writer.get_extra_info("socket"))
            found = _identify(writer, endpoint, what)
            if found != peer:
                raise LinkRefused(what, expected=f"validator {peer}", got=f"validator {found}")
            connection = Connection(peer=peer, address=where, reader=reader, writer=writer)
            await connection.write_frame(endpoint.hello(purpose))
            hello = await _read_hello(connection)
            _check_greeting(connection, hello, endpoint)
            if hello.purpose != purpose:
                raise ProtocolBroken(what, expected=f"a hello for {purpose}", got=hello.purpose)
    return connection


async def admit(endpoint: Endpoint, sock: socket.socket, where: str) -> tuple[Connection, LinkPurpose]:
    """Find out who has connected, and what for; raises LinkRefused, OtherChain, ProtocolBroken or LinkFailed."""
    what = f"connection from {where}"
    async with _handshake(what, endpoint.limits):
        tune(sock)
        reader, writer = await accept_tls(sock, endpoint.tls.server)
        with _aborting(writer):
            peer = _identify(writer, endpoint, what)
            connection = Connection(peer=peer, address=where, reader=reader, writer=writer)
            hello = await _read_hello(connection)
            # Ours goes out in any case, so that both ends can say why they part.
            await connection.write_frame(endpoint.hello(hello.purpose))
            _check_greeting(connection, hello, endpoint)
    return connection, hello.purpose


@asynccontextmanager
async def _handshake(what: str, limits: LinkLimits) -> AsyncIterator[None]:
    with network(what):
        async with time_limit(what, limits.handshake_seconds):
            yield


@contextmanager
def _aborting(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    except BaseException:
        writer.transport.abort()
        raise


def _identify(writer: asyncio.StreamWriter, endpoint: Endpoint, what: str) -> ValidatorId:
    peer = peer_of(writer.get_extra_info("ssl_object"), endpoint.tls.parties)
    if peer == endpoint.tls.identity:
        raise LinkRefused(what, expected="another validator", got="our own certificate")
    return peer


async def _read_hello(connection: Connection) -> Hello:
    what = f"hello of validator {connection.peer}"
    try:
        frame = await connection.read_frame(bytes_max=HELLO_BYTES_MAX)
        if frame is None:
            raise LinkFailed(what, expected="a frame", got="the end: it may not know our certificate, or be full")
        return decode(frame, Hello)
    except InputError as error:
        raise ProtocolBroken(what, expected="a purpose and a greeting", got=error) from error


def _check_greeting(connection: Connection, hello: Hello, endpoint: Endpoint) -> None:
    if hello.greeting != endpoint.greeting:
        raise OtherChain(
            f"greeting of validator {connection.peer}", expected=endpoint.greeting.hex(), got=hello.greeting.hex()
        )
