"""Real nodes, certificates and sockets for the tests of transport, and raw ends that break the rules."""

import asyncio
import contextlib
import gc
import io
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import TimeMs, ValidatorId
from ledger.validators import Validator, ValidatorSet
from node.transport.certificates import LinkCredential, make_link_credential
from node.transport.events import LinkEvent, LinkEventKind
from node.transport.frames import join_frames, read_frame
from node.transport.handshake import Endpoint, Hello, LinkPurpose
from node.transport.limits import LinkLimits
from node.transport.links import Links
from node.transport.sockets import Address, listening_socket
from node.transport.streams import accept_tls
from node.transport.tasks import TaskSet
from node.transport.tls import LinkTls
from tests.consortium import signing_key

T = TypeVar("T")
GREETING = sha256(b"this chain") + b"\1"
NOW = TimeMs(time.time_ns() // 10**6)
PATIENCE_SECONDS = 60.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A validator set with real link certificates, and the files of the keys behind them."""

    validators: ValidatorSet
    files: Mapping[ValidatorId, Path]

    def tls(self, identity: int) -> LinkTls:
        number = ValidatorId(identity)
        return LinkTls(self.files[number], identity=number, validators=self.validators)


def validator(number: int, certificate: bytes) -> Validator:
    vote, service, log_head = (signing_key(f"{number}/{kind}").public for kind in ("vote", "service", "log-head"))
    return Validator(
        id=ValidatorId(number),
        organisation=f"org-{number:02}",
        vote_key=vote,
        service_key=service,
        log_head_key=log_head,
        link_certificate=certificate,
    )


def credential(number: int, *, now: TimeMs = NOW) -> LinkCredential:
    return make_link_credential(f"org-{number:02}", now=now)


def members(folder: Path, count: int = 4, *, certificates: Mapping[int, bytes] | None = None) -> Members:
    """Make a set; `certificates` replaces what it records for some."""
    files, recorded = {}, []
    for number in range(count):
        own = credential(number)
        path = folder / f"{number}.pem"
        path.write_bytes(own.pem)
        files[ValidatorId(number)] = path
        recorded.append(validator(number, (certificates or {}).get(number, own.certificate)))
    return Members(validators=ValidatorSet(tuple(recorded)), files=files)


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
