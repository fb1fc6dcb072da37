"""Snapshots between validators: one connection a question, answered by the bytes of a manifest or of a range.

Answers are taken whole, since a range is verified as one; the asker says how many bytes it takes at most, before any of
them is kept, and how long it waits, so that a peer that sends for ever costs both in bounds.
"""

import asyncio
from collections.abc import Mapping

from ledger.quantities import ValidatorId
from node.transport.connection import time_limit
from node.transport.errors import LinkFailed, ProtocolBroken
from node.transport.events import LinkEventKind
from node.transport.handshake import Endpoint, LinkPurpose, dial
from node.transport.sockets import Address
from node.transport.stream_server import Served, read_answer, read_stream

QUESTION_BYTES_MAX = 32

SERVED = Served(
    what="snapshot",
    question="a question about snapshots",
    question_bytes=range(1, QUESTION_BYTES_MAX + 1),
    sent=LinkEventKind.SNAPSHOT_SENT,
    failed=LinkEventKind.SNAPSHOT_FAILED,
)


class SnapshotAsker:
    """Asks peers about their snapshots, a few questions at a time to each."""

    def __init__(self, endpoint: Endpoint, peers: Mapping[ValidatorId, Address]) -> None:
        self._endpoint = endpoint
        self._peers = peers
        self._turns: dict[ValidatorId, asyncio.Semaphore] = {}

    async def ask(self, peer: ValidatorId, question: bytes, *, bytes_max: int, seconds: float) -> bytes | None:
        """Return a peer's answer, or none where it has none, within `seconds`; the wait for a turn counts.

        Raises LinkFailed (another try may help), LinkRefused, or ProtocolBroken, for a longer answer too.
        """
        assert len(question) in SERVED.question_bytes
        what = f"snapshot {question.hex()} from validator {peer}"
        turn = self._turns.setdefault(peer, asyncio.Semaphore(self._endpoint.limits.fetches_per_peer_max))
        async with time_limit(what, seconds), turn:
            address = self._peers.get(peer)
            if address is None:
                raise LinkFailed(what, expected="a peer", got="one that has left")
            connection = await dial(self._endpoint, peer, address, LinkPurpose.SNAPSHOTS)
            try:
                await connection.write_frame(question)
                size = await read_answer(connection, what)
                if size is None:
                    return None
                if size > bytes_max:
                    raise ProtocolBroken(what, expected=f"at most {bytes_max} bytes", got=f"{size} bytes")
                pieces: list[bytes] = []
                await read_stream(connection, size, pieces.append, what)
                return b"".join(pieces)
            finally:
                connection.abort()
