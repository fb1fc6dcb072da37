"""Real nodes over real sockets, for the tests of transport."""

import asyncio
import gc
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, TypeVar

from ledger.hashing import Digest, sha256
from ledger.quantities import ValidatorId
from node.transport.events import LinkEvent, LinkEventKind
from node.transport.handshake import Endpoint
from node.transport.limits import LinkLimits
from node.transport.links import Links
from node.transport.sockets import Address, listening_socket
from tests.node.transport.credentials import Members

T = TypeVar("T")
GREETING = sha256(b"this chain") + b"\1"
PATIENCE_SECONDS = 120.0
"""Only a test that has failed waits so long."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; fails where a task is left over, or an error was told to nobody but the loop."""

    async def watched() -> T:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(PATIENCE_SECONDS):
            result = await main
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        gc.collect()
        assert not complaints, complaints
        return result

    return asyncio.run(watched())


class Signal:
    """Lets a test wait for what callbacks bring about."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Node(Signal):
    """One validator's links, and everything that they reported."""

    def __init__(
        self,
        consortium: Members,
        identity: int,
        *,
        greeting: bytes = GREETING,
        limits: LinkLimits | None = None,
    ) -> None:
        super().__init__()
        self.identity = ValidatorId(identity)
        self.endpoint = Endpoint(tls=consortium.tls(identity), greeting=greeting, limits=limits or LinkLimits())
        self.socket = listening_socket(("127.0.0.1", 0))
        self.address: Address = self.socket.getsockname()
        self.frames: list[tuple[ValidatorId, bytes]] = []
        self.events: list[LinkEvent] = []
        self.blobs: dict[Digest, bytes] = {}
        self.snapshots: dict[bytes, BinaryIO] = {}
        self.open_blob: Callable[[Digest], BinaryIO | None] = self._open_held
        self.on_frame: Callable[[ValidatorId, bytes], None] = self.keep
        self.retries = 0
        self.links: Links

    def start(self, peers: Mapping[ValidatorId, Address]) -> None:
        self.links = Links(
            self.endpoint,
            listener=self.socket,
            peers={peer: address for peer, address in peers.items() if peer != self.identity},
            on_frame=self.on_frame,
            serve_blob=lambda _, digest: self.open_blob(digest),
            serve_snapshot=lambda _, question: self.snapshots.get(question),
            on_event=self._on_event,
            jitter=self._retry_at_once,
        )
        self.links.start()

    def hold(self, blob: bytes) -> Digest:
        digest = sha256(blob)
        self.blobs[digest] = blob
        return digest

    def from_peer(self, peer: "Node") -> list[bytes]:
        return [frame for sender, frame in self.frames if sender == peer.identity]

    def all(self, kind: LinkEventKind) -> list[LinkEvent]:
        return [event for event in self.events if event.kind == kind]

    async def connected(self, count: int) -> None:
        await self.until(lambda: len(self.links.connected) == count)

    async def received(self, count: int) -> None:
        await self.until(lambda: len(self.frames) == count)

    async def event(self, kind: LinkEventKind, *, number: int = 1) -> LinkEvent:
        """Wait for the n-th event of a kind."""
        await self.until(lambda: len(self.all(kind)) >= number)
        return self.all(kind)[number - 1]

    async def refusal(self) -> str:
        """Wait until a connection has been refused; return why."""
        event = await self.event(LinkEventKind.INCOMING_REFUSED)
        return f"{type(event.error).__name__}: {event.error}"

    def _retry_at_once(self) -> float:
        self.retries += 1
        self.notify()
        return 0.0

    def keep(self, peer: ValidatorId, frame: bytes) -> None:
        """Take a frame as nodes of tests do."""
        self.frames.append((peer, frame))
        self.notify()

    def _on_event(self, event: LinkEvent) -> None:
        self.events.append(event)
        self.notify()

    def _open_held(self, digest: Digest) -> BinaryIO | None:
        return io.BytesIO(self.blobs[digest]) if digest in self.blobs else None


@asynccontextmanager
async def running(*nodes: Node, connected: bool = True) -> AsyncIterator[None]:
    """Start nodes as each other's peers, wait until all can send to all, and close them at the end."""
    addresses = {node.identity: node.address for node in nodes}
    for node in nodes:
        node.start(addresses)
    try:
        if connected:
            for node in nodes:
                await node.connected(len(nodes) - 1)
        yield
    finally:
        for node in nodes:
            await node.links.close()


async def still_works(sender: Node, receiver: Node) -> None:
    """Show that two nodes can talk, whatever happened before."""
    sender.links.send(receiver.identity, b"still here")
    await receiver.until(lambda: b"still here" in receiver.from_peer(sender))
