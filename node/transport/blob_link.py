"""Blobs between validators: one connection a blob, asked for by digest and streamed without frames.

The asker counts bytes and leaves it to its caller to hash them; the server never holds more of a blob than a
connection buffers. One that breaks off is fetched anew, here or from another peer.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import BinaryIO

from ledger.encoding import Noun, decode, encode
from ledger.errors import InputError, QuorateError
from ledger.hashing import Digest
from ledger.quantities import U63, ValidatorId
from node.transport.connection import Connection, time_limit
from node.transport.errors import BlobNotHere, LinkFailed, ProtocolBroken
from node.transport.events import LinkEvent, LinkEventKind, OnEvent
from node.transport.handshake import Endpoint, LinkPurpose, dial
from node.transport.limits import LinkLimits
from node.transport.sockets import Address

CHUNK_BYTES = 256 * 2**10
"""Read, encrypted and passed on in one go: a few tenths of a millisecond of the loop."""
DIGEST_BYTES = 32
ANSWER_BYTES_MAX = 16

ServeBlob = Callable[[ValidatorId, Digest], BinaryIO | None]
"""Opens a blob for a peer, or returns none where it is not here; reading and closing it is the server's business.

It runs on the loop, so it looks up, opens and does no more. A QuorateError that it raises ends the peer's connection.
"""
Sink = Callable[[bytes], None]
"""Takes the next bytes of a blob, on the loop; what it raises ends the transfer and reaches the asker."""


class BlobAnswer(Noun, frozen=True, kw_only=True):
    """What the server says before it sends."""

    size: U63 | None
    """Length in bytes; none where it does not hold the blob."""


class BlobAsker:
    """Fetches blobs from peers, a few at a time from each."""

    def __init__(self, endpoint: Endpoint, peers: Mapping[ValidatorId, Address]) -> None:
        self._endpoint = endpoint
        self._peers = peers
        self._turns: dict[ValidatorId, asyncio.Semaphore] = {}

    async def fetch(self, peer: ValidatorId, digest: Digest, sink: Sink, *, size: int, seconds: float) -> None:
        """Pass a blob of `size` bytes to `sink`, piece by piece, within `seconds`; the wait for a turn counts.

        Raises BlobNotHere, LinkFailed (another try may help), LinkRefused, ProtocolBroken, and what `sink` raises.
        """
        what = f"blob {digest.hex()} from validator {peer}"
        turn = self._turns.setdefault(peer, asyncio.Semaphore(self._endpoint.limits.fetches_per_peer_max))
        async with time_limit(what, seconds), turn:
            address = self._peers.get(peer)
            if address is None:
                raise LinkFailed(what, expected="a peer", got="one that has left")
            connection = await dial(self._endpoint, peer, address, LinkPurpose.BLOBS)
            try:
                await connection.write_frame(digest)
                found = await _read_answer(connection, what)
                if found is None:
                    raise BlobNotHere(what, expected=f"{size} bytes", got="none")
                if found != size:
                    raise ProtocolBroken(what, expected=f"{size} bytes", got=f"{found} bytes")
                missing = size
                while missing:
                    chunk = await connection.read(min(CHUNK_BYTES, missing))
                    if not chunk:
                        raise LinkFailed(what, expected=f"{size} bytes", got=f"the end after {size - missing}")
                    missing -= len(chunk)
                    sink(chunk)
            finally:
                connection.abort()


async def _read_answer(connection: Connection, what: str) -> int | None:
    try:
        frame = await connection.read_frame(bytes_max=ANSWER_BYTES_MAX)
        if frame is None:
            raise LinkFailed(what, expected="an answer", got="the end: too many connections, or a failing disk")
        return decode(frame, BlobAnswer).size
    except InputError as error:
        raise ProtocolBroken(what, expected="an answer", got=error) from error


class BlobServer:
    """Answers what peers ask on their blob connections."""

    def __init__(self, serve: ServeBlob, *, limits: LinkLimits, on_event: OnEvent) -> None:
        self._serve = serve
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
                    f"blob connections of validator {peer}", expected=f"at most {links_max}", got=self._links[peer]
                )
            await self._answer(connection)
        except QuorateError as error:
            kind = LinkEventKind.BLOB_FAILED
            self._on_event(LinkEvent(kind=kind, peer=peer, address=connection.address, error=error))
        finally:
            self._links[peer] -= 1

    async def _answer(self, connection: Connection) -> None:
        digest = await self._read_question(connection)
        source = self._serve(connection.peer, digest)
        if source is None:
            await connection.write_frame(encode(BlobAnswer(size=None)))
        else:
            with source:
                await self._send(connection, source, f"blob {digest.hex()}")
            self._on_event(LinkEvent(kind=LinkEventKind.BLOB_SENT, peer=connection.peer, address=connection.address))

    async def _read_question(self, connection: Connection) -> Digest:
        what = f"question of validator {connection.peer}"
        async with time_limit(what, self._limits.handshake_seconds):
            try:
                question = await connection.read_frame(bytes_max=DIGEST_BYTES)
            except InputError as error:
                raise ProtocolBroken(what, expected="the digest of a blob", got=error) from error
        if question is None:
            raise LinkFailed(what, expected="the digest of a blob", got="the end")
        if len(question) != DIGEST_BYTES:
            raise ProtocolBroken(what, expected=f"a digest of {DIGEST_BYTES} bytes", got=len(question))
        return Digest(question)

    async def _send(self, connection: Connection, source: BinaryIO, what: str) -> None:
        """Stream a blob, and wait until the asker has it all: closing before would lose what is still buffered."""
        size = missing = source.seek(0, os.SEEK_END)
        source.seek(0)
        await connection.write_frame(encode(BlobAnswer(size=size)))
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
