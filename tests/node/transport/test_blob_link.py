"""Blobs over connections of their own, as whoever asks for them sees it."""

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable
from typing import BinaryIO

import pytest

from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import ValidatorId
from node.transport.errors import BlobNotHere, LinkFailed, LinkRefused, ProtocolBroken
from node.transport.events import LinkEventKind
from node.transport.limits import LinkLimits
from node.transport.stream_server import CHUNK_BYTES, StreamAnswer
from tests.node.transport.blobs import BLOB, DIGEST, Endless, fetch
from tests.node.transport.credentials import Members
from tests.node.transport.network import Node, run, running
from tests.node.transport.raw_ends import Raw, accepting, greeted

ONE = ValidatorId(1)


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
    await raw.send_frame(encode(StreamAnswer(size=len(BLOB))))
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
