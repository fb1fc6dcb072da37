"""Links that break: noticed, dialled again, and closed without a trace."""

import asyncio
import socket

import pytest

from ledger.errors import InputError
from ledger.quantities import ValidatorId
from node.transport import outgoing
from node.transport.errors import FrameTooLarge, LinkFailed, ProtocolBroken, TruncatedFrame
from node.transport.events import LinkEventKind
from node.transport.handshake import LinkPurpose
from tests.node.transport.credentials import Members
from tests.node.transport.network import Node, run, running, still_works
from tests.node.transport.raw_ends import Raw, accepting, greeted, linked

ONE, TWO = ValidatorId(1), ValidatorId(2)


def test_nothing_but_a_live_link_counts_as_connected(consortium: Members) -> None:
    async def main() -> None:
        nodes = [Node(consortium, number) for number in range(3)]
        async with running(*nodes):
            assert nodes[0].links.connected == {ONE, TWO}
            await nodes[2].links.close()
            down = await nodes[0].event(LinkEventKind.LINK_DOWN)
            assert down.peer == TWO
            assert isinstance(down.error, LinkFailed)
            assert nodes[0].links.connected == {ONE}

    run(main())


def test_a_peer_that_restarts_is_dialled_again_and_gets_what_waited(consortium: Members) -> None:
    async def main() -> None:
        stays, restarts = Node(consortium, 0), Node(consortium, 1)
        again = Node(consortium, 1)
        again.socket.close()
        again.socket, again.address = restarts.socket.dup(), restarts.address
        async with running(stays, restarts):
            await restarts.links.close()
            await stays.event(LinkEventKind.LINK_DOWN)
            await stays.event(LinkEventKind.INCOMING_DOWN)
            stays.links.send(ONE, b"while it was away")
            again.start({stays.identity: stays.address})
            await again.until(lambda: again.frames)
            assert again.from_peer(stays) == [b"while it was away"]
            again.links.send(stays.identity, b"back")
            await stays.until(lambda: stays.frames)
            assert len(stays.all(LinkEventKind.LINK_UP)) == 2
            await again.links.close()

    run(main())


def test_a_peer_that_is_not_there_yet_is_reported_once_and_dialled_on(consortium: Members) -> None:
    async def main() -> None:
        early, late = Node(consortium, 0), Node(consortium, 1)
        late.socket.close()
        # Bound and not listening: nobody else takes the port, and connections are refused.
        late.socket = socket.socket()
        late.socket.bind(("127.0.0.1", 0))
        early.start({ONE: late.socket.getsockname()})
        await early.until(lambda: early.retries == 3)
        late.socket.listen()
        late.start({})
        await early.event(LinkEventKind.LINK_UP)
        failures = early.all(LinkEventKind.DIAL_FAILED)
        assert [(event.peer, type(event.error)) for event in failures] == [(ONE, LinkFailed)]
        await early.links.close()
        await late.links.close()

    run(main())


def test_a_second_connection_of_a_peer_replaces_the_first(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0)
        async with (
            running(node),
            linked(node.address, consortium.tls(1), LinkPurpose.MESSAGES) as first,
        ):
            await first.send_frame(b"first")
            await node.received(1)
            async with linked(node.address, consortium.tls(1), LinkPurpose.MESSAGES) as second:
                await first.ended()
                await second.send_frame(b"second")
                await node.received(2)
            await node.event(LinkEventKind.INCOMING_DOWN, number=2)
            assert node.frames == [(ONE, b"first"), (ONE, b"second")]
            up, down = LinkEventKind.INCOMING_UP, LinkEventKind.INCOMING_DOWN
            assert [event.kind for event in node.events] == [up, down, up, down]

    run(main())


def test_half_a_frame_ends_its_link_and_no_other(consortium: Members) -> None:
    async def main() -> None:
        node, other = Node(consortium, 0), Node(consortium, 2)
        async with running(node, other):
            async with linked(node.address, consortium.tls(1), LinkPurpose.MESSAGES) as raw:
                await raw.send((100).to_bytes(4, "big") + b"half")
            down = await node.event(LinkEventKind.INCOMING_DOWN)
            assert (down.peer, type(down.error)) == (ONE, TruncatedFrame)
            assert "expected 100 bytes, got the end after 4" in str(down.error)
            await still_works(node, other)

    run(main())


def test_a_frame_announced_over_the_limit_ends_its_link_before_it_is_read(consortium: Members) -> None:
    async def main() -> None:
        node, other = Node(consortium, 0), Node(consortium, 2)
        async with running(node, other):
            async with linked(node.address, consortium.tls(1), LinkPurpose.MESSAGES) as raw:
                await raw.send((2**32 - 1).to_bytes(4, "big"))
                await raw.ended()
            down = await node.event(LinkEventKind.INCOMING_DOWN)
            assert (down.peer, type(down.error)) == (ONE, FrameTooLarge)
            await still_works(node, other)

    run(main())


def test_bytes_on_a_link_that_we_dialled_break_it(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0)

        async def talk_back(raw: Raw) -> None:
            await greeted(raw)
            await raw.send_frame(b"not your turn")
            await raw.ended()

        async with accepting(talk_back, consortium.tls(1).server) as address:
            node.start({ONE: address})
            down = await node.event(LinkEventKind.LINK_DOWN)
            assert isinstance(down.error, ProtocolBroken)
            await node.links.close()

    run(main())


def test_a_failing_receiver_is_reported_to_the_loop_and_the_peer_comes_back(consortium: Members) -> None:
    async def main() -> None:
        sender, receiver = Node(consortium, 0), Node(consortium, 1)
        reported: list[str] = []
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: reported.append(repr(context["exception"])))

        def fail_once(peer: ValidatorId, frame: bytes) -> None:
            if frame == b"poison":
                raise ZeroDivisionError
            receiver.keep(peer, frame)

        receiver.on_frame = fail_once
        async with running(sender, receiver):
            sender.links.send(ONE, b"poison")
            await sender.event(LinkEventKind.LINK_UP, number=2)
            await still_works(sender, receiver)
        assert reported == ["ZeroDivisionError()"]
        loop.set_exception_handler(handler)

    run(main())


def test_a_bug_in_sending_is_reported_to_the_loop(consortium: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        sender, receiver = Node(consortium, 0), Node(consortium, 1)
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        reported: asyncio.Future[str] = loop.create_future()
        loop.set_exception_handler(lambda _, context: reported.set_result(context["message"]))
        async with running(sender, receiver):
            monkeypatch.setattr(outgoing, "join_frames", None)
            sender.links.send(ONE, b"cannot be joined")
            assert await reported == "link to validator 1 failed"
            assert sender.links.connected == frozenset()
        loop.set_exception_handler(handler)

    run(main())


def test_what_the_receiver_refuses_ends_the_senders_connection(consortium: Members) -> None:
    async def main() -> None:
        sender, receiver = Node(consortium, 0), Node(consortium, 1)

        def refuse(peer: ValidatorId, frame: bytes) -> None:
            raise InputError("message", expected=f"sense from {peer}", got=frame)

        receiver.on_frame = refuse
        async with running(sender, receiver):
            sender.links.send(ONE, b"nonsense")
            down = await receiver.event(LinkEventKind.INCOMING_DOWN)
            assert isinstance(down.error, InputError)

    run(main())


def test_closing_while_everything_is_busy_leaves_nothing_behind(consortium: Members) -> None:
    async def main() -> None:
        nodes = [Node(consortium, number) for number in range(4)]
        digest = nodes[0].hold(bytes(32 * 2**20))
        async with running(*nodes):
            fetches = [
                asyncio.create_task(
                    node.links.fetch(nodes[0].identity, digest, lambda _: None, size=32 * 2**20, seconds=60)
                )
                for node in nodes[1:]
                for _ in range(6)
            ]
            for node in nodes:
                for _ in range(20):
                    node.links.broadcast(bytes(2**20))
            await nodes[3].until(lambda: len(nodes[3].frames) >= 3)
            await asyncio.gather(*(node.links.close() for node in nodes))
            outcomes = await asyncio.gather(*fetches, return_exceptions=True)
            assert all(isinstance(outcome, LinkFailed) for outcome in outcomes)

    run(main())


def test_closing_gives_the_port_back_and_a_second_time_does_nothing(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0)
        node.start({})
        await node.links.close()
        assert node.socket.fileno() == -1
        await node.links.close()

    run(main())


def test_what_is_sent_after_closing_goes_nowhere(consortium: Members) -> None:
    async def main() -> None:
        sender, receiver = Node(consortium, 0), Node(consortium, 1)
        async with running(sender, receiver):
            await sender.links.close()
            sender.links.broadcast(b"too late")
            await receiver.event(LinkEventKind.LINK_DOWN)
            assert sender.links.connected == frozenset()
            assert receiver.frames == []

    run(main())
