"""All links of one node: frames to and from every peer, blobs from and for them.

Every call belongs on the event loop; nothing blocks, and only `fetch` and `close` wait. What could not be sent is not
reported to the sender: consensus repeats what still matters, and `traffic` counts what was dropped.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping

from ledger.errors import QuorateError
from ledger.hashing import Digest
from ledger.quantities import ValidatorId
from node.transport.backoff import Jitter, system_jitter
from node.transport.blob_link import BlobAsker, BlobServer, ServeBlob, Sink
from node.transport.connection import Connection
from node.transport.events import LinkEvent, LinkEventKind, OnEvent, Traffic
from node.transport.handshake import Endpoint, LinkPurpose
from node.transport.listener import Listener
from node.transport.outgoing import OutgoingLink
from node.transport.sockets import Address
from node.transport.tasks import TaskSet

OnFrame = Callable[[ValidatorId, bytes], None]
"""Takes a frame from a peer, on the loop, in the order in which the peer sent them.

A QuorateError that it raises ends the peer's connection; any other exception is a bug, and reaches the loop's handler.
"""


class Links:
    """This node's links with its peers. `start` once."""

    traffic: Mapping[ValidatorId, Traffic]
    """Counts of messages with each other validator, for metrics."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        listener: socket.socket,
        peers: Mapping[ValidatorId, Address],
        on_frame: OnFrame,
        serve_blob: ServeBlob,
        on_event: OnEvent,
        jitter: Jitter = system_jitter,
    ) -> None:
        """Take over a listening socket; `peers` are the other validators, and where each listens."""
        assert endpoint.tls.identity not in peers
        assert all(peer in endpoint.tls.validators for peer in peers)
        self._endpoint = endpoint
        self._on_frame = on_frame
        self._on_event = on_event
        self._tasks = TaskSet()
        self.traffic = {peer: Traffic() for peer in endpoint.tls.validators.ids if peer != endpoint.tls.identity}
        self._outgoing = {
            peer: OutgoingLink(endpoint, peer, address, traffic=self.traffic[peer], on_event=on_event, jitter=jitter)
            for peer, address in peers.items()
        }
        self._incoming: dict[ValidatorId, asyncio.Task[None]] = {}
        self._asker = BlobAsker(endpoint, peers)
        server = BlobServer(serve_blob, limits=endpoint.limits, on_event=on_event)
        self._listener = Listener(
            listener,
            endpoint,
            handlers={LinkPurpose.MESSAGES: self._receive, LinkPurpose.BLOBS: server.handle},
            tasks=self._tasks,
            on_event=on_event,
        )

    def start(self) -> None:
        """Listen, and dial every peer, on the running loop."""
        self._listener.start()
        for peer, link in self._outgoing.items():
            self._tasks.spawn(link.run(), name=f"link to validator {peer}")

    async def close(self) -> None:
        """Close every connection at once; what is queued is not sent. Fetches that are under way raise LinkFailed."""
        self._listener.close()
        await self._tasks.close()

    @property
    def connected(self) -> frozenset[ValidatorId]:
        """Peers that we can send to now."""
        return frozenset(peer for peer, link in self._outgoing.items() if link.connected)

    def send(self, peer: ValidatorId, payload: bytes) -> None:
        """Queue a frame for one of the peers; raises FrameTooLarge."""
        self._outgoing[peer].send(payload)

    def broadcast(self, payload: bytes) -> None:
        """Queue a frame for every peer; raises FrameTooLarge."""
        for link in self._outgoing.values():
            link.send(payload)

    async def fetch(self, peer: ValidatorId, digest: Digest, sink: Sink, *, size: int, seconds: float) -> None:
        """Fetch a blob of a known size from a peer; see `BlobAsker.fetch`. The caller checks the digest."""
        work = self._asker.fetch(peer, digest, sink, size=size, seconds=seconds)
        await self._tasks.call(work, name=f"blob {digest.hex()} from validator {peer}")

    async def _receive(self, connection: Connection) -> None:
        """Pass on a peer's frames. A newer connection replaces this one: the peer knows best which one it uses."""
        peer = connection.peer
        task = asyncio.current_task()
        assert task is not None
        previous = self._incoming.get(peer)
        self._incoming[peer] = task
        try:
            if previous is not None:
                previous.cancel()
                await asyncio.wait((previous,))
            await self._read_frames(connection)
        finally:
            if self._incoming.get(peer) is task:
                del self._incoming[peer]

    async def _read_frames(self, connection: Connection) -> None:
        traffic = self.traffic[connection.peer]
        bytes_max = self._endpoint.limits.frame_bytes_max
        error: QuorateError | None = None
        self._report(LinkEventKind.INCOMING_UP, connection)
        try:
            while (frame := await connection.read_frame(bytes_max=bytes_max)) is not None:
                traffic.frames_received += 1
                traffic.bytes_received += len(frame)
                self._on_frame(connection.peer, frame)
        except QuorateError as failure:
            error = failure
        finally:
            self._report(LinkEventKind.INCOMING_DOWN, connection, error)

    def _report(self, kind: LinkEventKind, connection: Connection, error: QuorateError | None = None) -> None:
        self._on_event(LinkEvent(kind=kind, peer=connection.peer, address=connection.address, error=error))
