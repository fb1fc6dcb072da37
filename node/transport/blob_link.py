"""Blobs between validators: one connection a blob, asked for by digest and streamed without frames.

The asker counts bytes and leaves it to its caller to hash them; the server never holds more of a blob than a
connection buffers (`stream_server`). One that breaks off is fetched anew, here or from another peer.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import BinaryIO

from ledger.hashing import Digest
from ledger.quantities import ValidatorId
from node.transport.connection import time_limit
from node.transport.errors import BlobNotHere, LinkFailed, ProtocolBroken
from node.transport.events import LinkEventKind, OnEvent
from node.transport.handshake import Endpoint, LinkPurpose, dial
from node.transport.limits import LinkLimits
from node.transport.sockets import Address
from node.transport.stream_server import Served, Sink, StreamServer, read_answer, read_stream

DIGEST_BYTES = 32

ServeBlob = Callable[[ValidatorId, Digest], BinaryIO | None]
"""Opens a blob for a peer, or returns none where it is not here; reading and closing it is the server's business.

It runs on the loop, so it looks up, opens and does no more. A QuorateError that it raises ends the peer's connection.
"""

SERVED = Served(
    what="blob",
    question="the digest of a blob",
    question_bytes=range(DIGEST_BYTES, DIGEST_BYTES + 1),
    sent=LinkEventKind.BLOB_SENT,
    failed=LinkEventKind.BLOB_FAILED,
)


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
                found = await read_answer(connection, what)
                if found is None:
                    raise BlobNotHere(what, expected=f"{size} bytes", got="none")
                if found != size:
                    raise ProtocolBroken(what, expected=f"{size} bytes", got=f"{found} bytes")
                await read_stream(connection, size, sink, what)
            finally:
                connection.abort()


class BlobServer(StreamServer):
    """Answers what peers ask on their blob connections."""

    def __init__(self, serve: ServeBlob, *, limits: LinkLimits, on_event: OnEvent) -> None:
        super().__init__(lambda peer, question: serve(peer, Digest(question)), SERVED, limits=limits, on_event=on_event)
