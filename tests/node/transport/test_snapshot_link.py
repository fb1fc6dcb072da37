"""Questions about snapshots over real sockets: whole answers, none, and peers that send too much, too slowly or not."""

import asyncio
import io
from contextlib import AsyncExitStack

import pytest

from ledger.encoding import encode
from ledger.quantities import ValidatorId
from node.transport.connection import Connection
from node.transport.errors import LinkFailed, ProtocolBroken
from node.transport.events import LinkEventKind
from node.transport.handshake import LinkPurpose
from node.transport.limits import LinkLimits
from node.transport.stream_server import StreamAnswer
from tests.node.transport.blobs import Endless
from tests.node.transport.credentials import Members
from tests.node.transport.network import Node, run, running, still_works
from tests.node.transport.raw_ends import linked

ONE = ValidatorId(1)
QUESTION = b"a question"
ANSWER = bytes(range(256)) * 4_000


async def ask(asker: Node, *, bytes_max: int = 2**21, seconds: float = 30.0) -> bytes | None:
    return await asker.links.ask_snapshot(ONE, QUESTION, bytes_max=bytes_max, seconds=seconds)


def test_an_answer_arrives_whole_and_a_missing_one_is_none(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        async with running(asker, server):
            assert await ask(asker) is None
            server.snapshots[QUESTION] = io.BytesIO(ANSWER)
            assert await ask(asker) == ANSWER
            await server.event(LinkEventKind.SNAPSHOT_SENT)

    run(main())


def test_an_answer_that_is_too_long_is_refused_before_it_is_kept(consortium: Members) -> None:
    async def main() -> None:
        asker, server = Node(consortium, 0), Node(consortium, 1)
        async with running(asker, server):
            server.snapshots[QUESTION] = Endless(2**40)
            with pytest.raises(ProtocolBroken, match="expected at most 2097152 bytes, got 1099511627776 bytes"):
                await ask(asker)
            await still_works(asker, server)

    run(main())


@pytest.mark.parametrize("sent", [None, b"", b"half of it"])
def test_a_peer_that_stops_in_the_middle_is_given_up_in_time(consortium: Members, sent: bytes | None) -> None:
    async def main() -> None:
        given_up = asyncio.Event()

        async def stall(link: Connection) -> None:
            if sent is not None:
                await link.write_frame(encode(StreamAnswer(size=100)))
                await link.write(sent)
            await given_up.wait()

        asker, server = Node(consortium, 0), Node(consortium, 1)
        async with running(asker, server):
            server.links._listener._handlers[LinkPurpose.SNAPSHOTS] = stall
            with pytest.raises(LinkFailed, match="expected an end within"):
                await ask(asker, seconds=0.5)
            given_up.set()

    run(main())


@pytest.mark.parametrize("question", [b"", bytes(33)])
def test_a_question_of_another_length_is_refused(consortium: Members, question: bytes) -> None:
    async def main() -> None:
        server = Node(consortium, 1)
        async with running(server), linked(server.address, consortium.tls(0), LinkPurpose.SNAPSHOTS) as raw:
            await raw.send_frame(question)
            failed = await server.event(LinkEventKind.SNAPSHOT_FAILED)
            assert "expected a question about snapshots" in str(failed.error)

    run(main())


def test_one_peer_cannot_open_connections_without_end(consortium: Members) -> None:
    async def main() -> None:
        server = Node(consortium, 1, limits=LinkLimits(blob_links_per_peer_max=4))
        async with running(server), AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(linked(server.address, consortium.tls(0), LinkPurpose.SNAPSHOTS))
            failed = await server.event(LinkEventKind.SNAPSHOT_FAILED)
            assert str(failed.error) == "snapshot connections of validator 0: expected at most 4, got 5"

    run(main())
