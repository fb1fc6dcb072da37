"""All links of one node: frames to and from every peer, blobs and snapshots from and for them.

Every call belongs on the event loop; nothing blocks, and only `fetch` and `close` wait. What could not be sent is not
reported to the sender: consensus repeats what still matters, and `traffic` counts what was dropped.
"""

import asyncio
import socket
from collections.abc import Callable, Collection, Container, Mapping

from ledger.errors import QuorateError
from ledger.hashing import Digest
from ledger.quantities import ValidatorId
from node.transport.backoff import Jitter, system_jitter
from node.transport.blob_link import BlobAsker, BlobServer, ServeBlob
from node.transport.connection import Connection
from node.transport.events import LinkEvent, LinkEventKind, OnEvent, Traffic
from node.transport.handshake import Endpoint, LinkPurpose
from node.transport.listener import Listener
from node.transport.outgoing import OutgoingLink
from node.transport.snapshot_link import SERVED as SNAPSHOTS_SERVED
from node.transport.snapshot_link import SnapshotAsker
from node.transport.sockets import Address
from node.transport.stream_server import Serve, Sink, StreamServer
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
        serve_snapshot: Serve,
        on_event: OnEvent,
        jitter: Jitter = system_jitter,
    ) -> None:
        """Take over a listening socket; `peers` are the other parties, and where each listens."""
        assert endpoint.tls.identity not in peers
        self._endpoint = endpoint
        self._jitter = jitter
        self._on_frame = on_frame
        self._on_event = on_event
        self._tasks = TaskSet()
        self._traffic: dict[ValidatorId, Traffic] = {
            party: Traffic() for party, _ in endpoint.tls.parties if party != endpoint.tls.identity
        }
        self.traffic = self._traffic
        self._addresses: dict[ValidatorId, Address] = {}
        self._outgoing: dict[ValidatorId, OutgoingLink] = {}
        self._dialling: dict[ValidatorId, asyncio.Task[None]] = {}
        self._started = False
        self._incoming: dict[ValidatorId, asyncio.Task[None]] = {}
        self._asker = BlobAsker(endpoint, self._addresses)
        self._snapshots = SnapshotAsker(endpoint, self._addresses)
        blobs = BlobServer(serve_blob, limits=endpoint.limits, on_event=on_event)
        snapshots = StreamServer(serve_snapshot, SNAPSHOTS_SERVED, limits=endpoint.limits, on_event=on_event)
        self._listener = Listener(
            listener,
            endpoint,
            handlers={
                LinkPurpose.MESSAGES: self._receive,
                LinkPurpose.BLOBS: blobs.handle,
                LinkPurpose.SNAPSHOTS: snapshots.handle,
            },
            tasks=self._tasks,
            on_event=on_event,
        )
        self.update(peers)

    def start(self) -> None:
        """Listen, and dial every peer, on the running loop."""
        self._listener.start()
        self._started = True
        for peer in self._outgoing:
            self._dial(peer)

    def update(self, peers: Mapping[ValidatorId, Address], *, anew: Collection[ValidatorId] = ()) -> None:
        """Link with exactly these peers from now on; links with those of `anew`, and to new addresses, begin again.

        What was queued for a link that ends is lost. The others go on undisturbed.
        """
        for peer in [peer for peer, address in self._addresses.items() if peers.get(peer) != address or peer in anew]:
            self._end(peer)
        for peer, address in peers.items():
            if peer not in self._outgoing:
                self._addresses[peer] = address
                self._outgoing[peer] = OutgoingLink(
                    self._endpoint,
                    peer,
                    address,
                    traffic=self._traffic_of(peer),
                    on_event=self._on_event,
                    jitter=self._jitter,
                )
                if self._started:
                    self._dial(peer)

    def _dial(self, peer: ValidatorId) -> None:
        name = f"link to validator {peer}"
        self._dialling[peer] = self._tasks.spawn(self._outgoing[peer].run(), name=name)

    def _end(self, peer: ValidatorId) -> None:
        del self._addresses[peer]
        del self._outgoing[peer]
        for task in (self._dialling.pop(peer, None), self._incoming.get(peer)):
            if task is not None:
                task.cancel()

    def _traffic_of(self, peer: ValidatorId) -> Traffic:
        return self._traffic.setdefault(peer, Traffic())

    async def close(self) -> None:
        """Close every connection at once; what is queued is not sent. Fetches that are under way raise LinkFailed."""
        self._listener.close()
        await self._tasks.close()

    @property
    def connected(self) -> frozenset[ValidatorId]:
        """Peers that we can send to now."""
        return frozenset(peer for peer, link in self._outgoing.items() if link.connected)

    def send(self, peer: ValidatorId, payload: bytes) -> None:
        """Queue a frame for one of the peers, if it still is one; raises FrameTooLarge."""
        link = self._outgoing.get(peer)
        if link is not None:
            link.send(payload)

    def broadcast(self, payload: bytes, *, to: Container[ValidatorId] | None = None) -> None:
        """Queue a frame for every peer, or for those of `to`; raises FrameTooLarge."""
        for peer, link in self._outgoing.items():
            if to is None or peer in to:
                link.send(payload)

    async def fetch(self, peer: ValidatorId, digest: Digest, sink: Sink, *, size: int, seconds: float) -> None:
        """Fetch a blob of a known size from a peer; see `BlobAsker.fetch`. The caller checks the digest."""
        work = self._asker.fetch(peer, digest, sink, size=size, seconds=seconds)
        await self._tasks.call(work, name=f"blob {digest.hex()} from validator {peer}")

    async def ask_snapshot(self, peer: ValidatorId, question: bytes, *, bytes_max: int, seconds: float) -> bytes | None:
        """Ask a peer about its snapshots; see `SnapshotAsker.ask`."""
        work = self._snapshots.ask(peer, question, bytes_max=bytes_max, seconds=seconds)
        return await self._tasks.call(work, name=f"snapshot {question.hex()} from validator {peer}")

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
        traffic = self._traffic_of(connection.peer)
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
