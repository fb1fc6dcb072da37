"""Blobs over connections of their own."""

import asyncio
import hashlib
import io
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import BinaryIO

import pytest

from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import ValidatorId
from node.transport.blob_link import CHUNK_BYTES, BlobAnswer
from node.transport.errors import BlobNotHere, LinkFailed, LinkRefused, ProtocolBroken
from node.transport.events import LinkEventKind
from node.transport.handshake import LinkPurpose
from node.transport.limits import LinkLimits
from tests.node.transport.network import (
    Members,
    Node,
    Raw,
    accepting,
    connect,
    greeted,
    linked,
    members,
    run,
    running,
    still_works,
)

ONE = ValidatorId(1)
BLOB = hashlib.shake_256(b"a blob").digest(5 * 2**20 + 17)
DIGEST = sha256(BLOB)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return members(tmp_path_factory.mktemp("credentials"))


async def fetch(asker: Node, server: Node, blob: bytes, *, size: int | None = None, seconds: float = 60) -> bytes:
    """Fetch what the digest of `blob` names."""
    parts: list[bytes] = []
    size = len(blob) if size is None else size
    await asker.links.fetch(server.identity, sha256(blob), parts.append, size=size, seconds=seconds)
    assert max(map(len, parts), default=0) <= CHUNK_BYTES
    return b"".join(parts)


@pytest.mark.parametrize("blob", [BLOB, b"x", b"", bytes(CHUNK_BYTES)])
def test_a_blob_arrives_whole(consortium: Members, blob: bytes) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        server.hold(blob)
        async with running(asker, server):
            assert sha256(await fetch(asker, server, blob)) == sha256(blob)
            sent = await server.event(LinkEventKind.BLOB_SENT)
            assert sent.peer == asker.identity

    run(main())


def test_a_blob_that_is_not_there_is_said_to_be_so(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        async with running(asker, server):
            with pytest.raises(BlobNotHere, match=DIGEST.hex()):
                await fetch(asker, server, BLOB)

    run(main())


def test_a_blob_of_another_size_is_not_taken(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        server.hold(BLOB)
        async with running(asker, server):
            with pytest.raises(ProtocolBroken, match=f"expected 5 bytes, got {len(BLOB)} bytes"):
                await fetch(asker, server, BLOB, size=5)
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert isinstance(failed.error, LinkFailed)

    run(main())


def test_many_blobs_at_once_stay_within_the_turns_of_each_peer(consortium: Members) -> None:
    async def main() -> None:
        nodes = [Node(consortium, number) for number in range(4)]
        server = nodes[0]
        blobs = [hashlib.shake_256(bytes([number])).digest(2**19 + number) for number in range(10)]
        counts = {"open": 0, "most": 0}

        class Counted(io.BytesIO):
            def close(self) -> None:
                counts["open"] -= not self.closed
                super().close()

        def open_blob(digest: Digest) -> BinaryIO:
            counts["open"] += 1
            counts["most"] = max(counts.values())
            return Counted(server.blobs[digest])

        server.open_blob = open_blob
        for blob in blobs:
            server.hold(blob)
        async with running(*nodes):
            fetches = [fetch(node, server, blob) for node in nodes[1:] for blob in blobs]
            assert await asyncio.gather(*fetches) == blobs * 3
        assert counts["open"] == 0
        assert 1 < counts["most"] <= 3 * LinkLimits().fetches_per_peer_max

    run(main())


def test_frames_pass_while_a_blob_is_under_way(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        server.hold(BLOB)
        async with running(asker, server):
            received = 0

            def take(chunk: bytes) -> None:
                nonlocal received
                received += len(chunk)
                server.links.send(asker.identity, received.to_bytes(4, "big"))

            await asker.links.fetch(ONE, DIGEST, take, size=len(BLOB), seconds=60)
            assert asker.frames
            await asker.until(lambda: asker.frames[-1][1] == len(BLOB).to_bytes(4, "big"))

    run(main())


class Endless(io.BytesIO):
    """A blob of zeros that counts how much of it was read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.given = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self.size if whence == io.SEEK_END else offset

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        self.given += size
        return bytes(size)


def test_the_server_reads_no_further_than_the_connection_takes(consortium: Members) -> None:
    async def main() -> None:
        size = 96 * 2**20
        asker, server = Node(consortium, 0), Node(consortium, 1)
        source = Endless(size)
        server.open_blob = lambda _: source
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        async with running(asker, server):
            received = 0
            ahead = 0

            def take(chunk: bytes) -> None:
                nonlocal received, ahead
                received += len(chunk)
                ahead = max(ahead, source.given - received)

            await asker.links.fetch(ONE, DIGEST, take, size=size, seconds=60)
        assert received == size
        # Buffers of the sockets and of both ends; without back pressure it would be nearly the whole blob.
        assert ahead < size // 3

    run(main())


def test_an_asker_that_stops_reading_is_given_up(consortium: Members) -> None:
    async def main() -> None:
        server = Node(consortium, 1, limits=LinkLimits(stall_seconds=0.5))
        source = Endless(2**40)
        server.open_blob = lambda _: source
        async with (
            running(server),
            linked(server.address, consortium.tls(0), LinkPurpose.BLOBS) as raw,
        ):
            raw.stop_reading()
            await raw.send_frame(DIGEST)
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert "expected an end within 0.5 s" in str(failed.error)
            assert source.given < 2**27
            assert source.closed

    run(main())


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (bytes(31), "expected a digest of 32 bytes, got 31"),
        (bytes(33), "expected at most 32 bytes, got 33 bytes"),
    ],
)
def test_a_question_that_is_no_digest_is_refused(consortium: Members, question: bytes, reason: str) -> None:
    async def main() -> None:
        node, server = Node(consortium, 0), Node(consortium, 1)
        async with running(node, server):
            async with linked(server.address, consortium.tls(2), LinkPurpose.BLOBS) as raw:
                await raw.send_frame(question)
                await raw.ended()
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert isinstance(failed.error, ProtocolBroken)
            assert reason in str(failed.error)
            await still_works(node, server)

    run(main())


def test_an_asker_that_asks_nothing_is_given_up(consortium: Members) -> None:
    async def main() -> None:
        server = Node(consortium, 1, limits=LinkLimits(handshake_seconds=1.0))
        async with running(server), linked(server.address, consortium.tls(0), LinkPurpose.BLOBS) as raw:
            await raw.ended()
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert "question of validator 0: expected an end within 1.0 s" in str(failed.error)

    run(main())


def test_an_asker_that_leaves_before_asking_is_a_failure(consortium: Members) -> None:
    async def main() -> None:
        server = Node(consortium, 1)
        async with running(server):
            async with linked(server.address, consortium.tls(0), LinkPurpose.BLOBS):
                pass
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert "expected the digest of a blob, got the end" in str(failed.error)

    run(main())


def test_connections_of_one_peer_are_bounded_and_others_are_served(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1, limits=LinkLimits(blob_links_per_peer_max=4))
        server.hold(BLOB)
        async with running(asker, server), AsyncExitStack() as stack:
            greedy = [
                await stack.enter_async_context(linked(server.address, consortium.tls(2), LinkPurpose.BLOBS))
                for _ in range(5)
            ]
            await greedy[4].ended()
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert str(failed.error) == "blob connections of validator 2: expected at most 4, got 5"
            assert await fetch(asker, server, BLOB) == BLOB

    run(main())


def test_a_file_that_ends_early_is_a_failure_on_both_sides(consortium: Members) -> None:
    class Shrunk(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return super().seek(offset, whence) + (5 if whence else 0)

    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        server.open_blob = lambda _: Shrunk(b"12345")
        async with running(asker, server):
            with pytest.raises(LinkFailed, match="expected 10 bytes, got the end after 5"):
                await fetch(asker, server, BLOB, size=10)
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert "expected 10 bytes, got the end after 5" in str(failed.error)

    run(main())


def test_a_disk_that_fails_is_a_failure_that_another_peer_may_help(consortium: Members) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        server.open_blob = lambda _: Broken(b"12345")
        async with running(asker, server):
            with pytest.raises(LinkFailed):
                await fetch(asker, server, BLOB, size=5)
            failed = await server.event(LinkEventKind.BLOB_FAILED)
            assert "Input/output error" in str(failed.error)

    run(main())


def test_closing_waits_for_a_read_that_is_under_way(consortium: Members) -> None:
    class Slow(io.BytesIO):
        reading = threading.Event()
        let_go = threading.Event()
        closed_while_reading = False

        def read(self, size: int | None = -1) -> bytes:
            self.reading.set()
            assert self.let_go.wait(60)
            self.closed_while_reading = self.closed
            return super().read(size)

    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        source = Slow(b"12345")
        server.open_blob = lambda _: source
        async with running(asker, server):
            fetching = asyncio.create_task(fetch(asker, server, BLOB, size=5))
            await asyncio.to_thread(source.reading.wait, 60)
            closing = asyncio.create_task(server.links.close())
            await asker.event(LinkEventKind.LINK_DOWN)
            assert not source.closed
            source.let_go.set()
            await closing
            assert source.closed
            assert not source.closed_while_reading
            with pytest.raises(LinkFailed):
                await fetching

    run(main())


def test_a_sink_that_refuses_ends_the_transfer_and_tells_its_caller(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        server.hold(BLOB)

        def full(_: bytes) -> None:
            raise BufferError("full")

        async with running(asker, server):
            with pytest.raises(BufferError, match="full"):
                await asker.links.fetch(ONE, DIGEST, full, size=len(BLOB), seconds=60)
            await server.event(LinkEventKind.BLOB_FAILED)

    run(main())


async def half(raw: Raw) -> None:
    await raw.send_frame(encode(BlobAnswer(size=len(BLOB))))
    await raw.send(BLOB[: len(BLOB) // 2])


async def silence(raw: Raw) -> None:
    await raw.ended()


async def no_answer(raw: Raw) -> None:
    await raw.send_frame(b"what?")
    await raw.ended()


async def long_answer(raw: Raw) -> None:
    await raw.send_frame(bytes(17))
    await raw.ended()


async def hang_up(_: Raw) -> None:
    pass


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (half, LinkFailed),
        (silence, LinkFailed),
        (hang_up, LinkFailed),
        (no_answer, ProtocolBroken),
        (long_answer, ProtocolBroken),
    ],
)
def test_a_server_that_misbehaves_is_told_apart(
    consortium: Members, behaviour: Callable[[Raw], Awaitable[None]], kind: type[Exception]
) -> None:
    async def serve(raw: Raw) -> None:
        await greeted(raw)
        if await raw.read_frame() == DIGEST:
            await behaviour(raw)

    async def main() -> None:
        asker = Node(consortium, 0)
        patience = 2 if behaviour is silence else 60
        async with accepting(serve, consortium.tls(1).server) as address:
            asker.start({ONE: address})
            with pytest.raises(kind) as caught:
                await asker.links.fetch(ONE, DIGEST, lambda _: None, size=len(BLOB), seconds=patience)
            assert caught.type is kind
            await asker.links.close()

    run(main())


def test_fetching_from_a_stranger_is_refused(consortium: Members) -> None:
    async def main() -> None:
        asker, other = Node(consortium, 0), Node(consortium, 2)
        other.start({})
        asker.start({ONE: other.address})
        with pytest.raises(LinkRefused, match="expected validator 1, got validator 2"):
            await asker.links.fetch(ONE, DIGEST, lambda _: None, size=1, seconds=60)
        await asker.links.close()
        await other.links.close()

    run(main())


def test_a_fetch_whose_caller_is_cancelled_ends_and_frees_its_turn(consortium: Members) -> None:
    async def main() -> None:
        limits = LinkLimits(fetches_per_peer_max=1)
        asker, server = Node(consortium, 0, limits=limits), Node(consortium, 1)
        server.open_blob = lambda _: Endless(2**40)
        async with running(asker, server):
            begun = asyncio.Event()
            endless = asyncio.create_task(
                asker.links.fetch(ONE, DIGEST, lambda _: begun.set(), size=2**40, seconds=3_600)
            )
            await begun.wait()
            endless.cancel()
            with pytest.raises(asyncio.CancelledError):
                await endless
            await server.event(LinkEventKind.BLOB_FAILED)
            server.hold(BLOB)
            server.open_blob = server._open_held
            assert await fetch(asker, server, BLOB) == BLOB

    run(main())


def test_the_wait_for_a_turn_counts_as_time(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0, limits=LinkLimits(fetches_per_peer_max=1)), Node(consortium, 1)
        server.open_blob = lambda _: Endless(2**40)
        async with running(asker, server):
            begun = asyncio.Event()
            endless = asyncio.create_task(
                asker.links.fetch(ONE, DIGEST, lambda _: begun.set(), size=2**40, seconds=3_600)
            )
            await begun.wait()
            with pytest.raises(LinkFailed, match=r"expected an end within 0.2 s"):
                await fetch(asker, server, BLOB, seconds=0.2)
            await asker.links.close()
            with pytest.raises(LinkFailed, match="closed"):
                await endless

    run(main())


def test_a_stranger_gets_no_blob(consortium: Members) -> None:
    async def main() -> None:
        server = Node(consortium, 1)
        server.hold(BLOB)
        async with running(server), connect(server.address, None) as raw:
            await raw.send_frame(DIGEST)
            await raw.ended()
            await server.refusal()
            assert not server.all(LinkEventKind.BLOB_SENT)

    run(main())
