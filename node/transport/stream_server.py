"""Streams on connections of their own, for what is too long for a frame: one question, its length, then the bytes.

The server never holds more than a connection buffers, the asker counts what arrives; who asks what for is the business
of `blob_link` and `snapshot_link`.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from ledger.encoding import Noun, decode, encode
from ledger.errors import InputError, QuorateError
from ledger.quantities import U63, ValidatorId
from node.transport.connection import Connection, time_limit
from node.transport.errors import LinkFailed, ProtocolBroken
from node.transport.events import LinkEvent, LinkEventKind, OnEvent
from node.transport.limits import LinkLimits

CHUNK_BYTES = 256 * 2**10
"""Read, encrypted and passed on in one go: a few tenths of a millisecond of the loop."""
ANSWER_BYTES_MAX = 16

Serve = Callable[[ValidatorId, bytes], BinaryIO | None]
"""Opens what a peer asks for, or returns none where it is not here; reading and closing it is the server's business.

It runs on the loop, so it looks up, opens and does no more. A QuorateError that it raises ends the peer's connection.
"""
Sink = Callable[[bytes], None]
"""Takes the next bytes, on the loop; what it raises ends the transfer and reaches the asker."""


class StreamAnswer(Noun, frozen=True, kw_only=True):
    """What the server says before it sends."""

    size: U63 | None
    """Length in bytes; none where it does not hold what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the connections of one purpose are for."""

    what: str
    """Name of what is sent, in errors."""
    question: str
    """Name of the question."""
    question_bytes: range
    """Lengths that a question may have."""
    sent: LinkEventKind
    failed: LinkEventKind


async def read_answer(connection: Connection, what: str) -> int | None:
    """Return how many bytes follow, or none; raises LinkFailed, LinkRefused or ProtocolBroken."""
    try:
        frame = await connection.read_frame(bytes_max=ANSWER_BYTES_MAX)
        if frame is None:
            raise LinkFailed(what, expected="an answer", got="the end: too many connections, or a failing disk")
        return decode(frame, StreamAnswer).size
    except InputError as error:
        raise ProtocolBroken(what, expected="an answer", got=error) from error


async def read_stream(connection: Connection, size: int, sink: Sink, what: str) -> None:
    """Pass `size` bytes to `sink`, piece by piece; raises LinkFailed, LinkRefused, and what `sink` raises."""
    missing = size
    while missing:
        chunk = await connection.read(min(CHUNK_BYTES, missing))
        if not chunk:
            raise LinkFailed(what, expected=f"{size} bytes", got=f"the end after {size - missing}")
        missing -= len(chunk)
        sink(chunk)


class StreamServer:
    """Answers what peers ask on their connections of one purpose."""

    def __init__(self, serve: Serve, served: Served, *, limits: LinkLimits, on_event: OnEvent) -> None:
        self._serve = serve
        self._served = served
        self._limits = limits
        self._on_event = on_event
        self._links: Counter[ValidatorId] = Counter()

    async def handle(self, connection: Connection) -> None:
        """Serve one connection to its end."""
        peer = connection.peer
        self._links[peer] += 1
        try:
            links_max = self._limits.blob_links_per_peer_max
            if self._links[peer] > links_max:
                raise LinkFailed(
                    f"{self._served.what} connections of validator {peer}",
                    expected=f"at most {links_max}",
                    got=self._links[peer],
                )
            await self._answer(connection)
        except QuorateError as error:
            event = LinkEvent(kind=self._served.failed, peer=peer, address=connection.address, error=error)
            self._on_event(event)
        finally:
            self._links[peer] -= 1

    async def _answer(self, connection: Connection) -> None:
        question = await self._read_question(connection)
        source = self._serve(connection.peer, question)
        if source is None:
            await connection.write_frame(encode(StreamAnswer(size=None)))
        else:
            with source:
                await self._send(connection, source, f"{self._served.what} {question.hex()}")
            self._on_event(LinkEvent(kind=self._served.sent, peer=connection.peer, address=connection.address))

    async def _read_question(self, connection: Connection) -> bytes:
        what, lengths = f"question of validator {connection.peer}", self._served.question_bytes
        async with time_limit(what, self._limits.handshake_seconds):
            try:
                question = await connection.read_frame(bytes_max=lengths[-1])
            except InputError as error:
                raise ProtocolBroken(what, expected=self._served.question, got=error) from error
        if question is None:
            raise LinkFailed(what, expected=self._served.question, got="the end")
        if len(question) not in lengths:
            wanted = f"{self._served.question}, {lengths[0]} to {lengths[-1]} bytes"
            raise ProtocolBroken(what, expected=wanted, got=len(question))
        return question

    async def _send(self, connection: Connection, source: BinaryIO, what: str) -> None:
        """Stream a file, and wait until the asker has it all: closing before would lose what is still buffered."""
        size = missing = source.seek(0, os.SEEK_END)
        source.seek(0)
        await connection.write_frame(encode(StreamAnswer(size=size)))
        while missing:
            chunk = await _read_in_thread(source, min(CHUNK_BYTES, missing), what)
            if not chunk:
                raise LinkFailed(f"file of {what}", expected=f"{size} bytes", got=f"the end after {size - missing}")
            missing -= len(chunk)
            async with time_limit(what, self._limits.stall_seconds):
                await connection.write(chunk)
        async with time_limit(what, self._limits.stall_seconds):
            await connection.read(1)


async def _read_in_thread(source: BinaryIO, count: int, what: str) -> bytes:
    """Read without holding up votes; when cancelled, let the thread finish before the file is closed under it."""
    reading = asyncio.ensure_future(asyncio.to_thread(source.read, count))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.gather(reading, return_exceptions=True)
        raise
    except OSError as error:
        raise LinkFailed(f"reading {what}", expected="a readable file", got=error) from error
