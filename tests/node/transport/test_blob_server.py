"""The end that serves blobs: it reads no further than it must, and asks of its askers what is due."""

import asyncio
import io
import socket
import threading
from contextlib import AsyncExitStack

import pytest

from ledger.quantities import ValidatorId
from node.transport.errors import LinkFailed, ProtocolBroken
from node.transport.events import LinkEventKind
from node.transport.handshake import LinkPurpose
from node.transport.limits import LinkLimits
from tests.node.transport.blobs import BLOB, DIGEST, Endless, fetch
from tests.node.transport.credentials import Members
from tests.node.transport.network import Node, run, running, still_works
from tests.node.transport.raw_ends import connect, linked

ONE = ValidatorId(1)


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
        (bytes(31), "expected the digest of a blob, 32 to 32 bytes, got 31"),
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
