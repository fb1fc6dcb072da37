"""Frames between real nodes over real TLS."""

import asyncio
import socket

import pytest

from ledger.errors import InputError
from ledger.quantities import ValidatorId
from node.transport import outgoing
from node.transport.errors import FrameTooLarge, LinkFailed, ProtocolBroken, TruncatedFrame
from node.transport.events import LinkEventKind
from node.transport.handshake import LinkPurpose
from node.transport.limits import LinkLimits
from tests.node.transport.network import (
    Members,
    Node,
    Raw,
    accepting,
    greeted,
    linked,
    members,
    run,
    running,
    still_works,
)

ONE, TWO = ValidatorId(1), ValidatorId(2)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return members(tmp_path_factory.mktemp("credentials"))


def numbered(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") * 25 for number in range(count)]


def test_four_nodes_talk_all_to_all_and_each_link_keeps_its_order(consortium: Members) -> None:
    async def main() -> None:
        nodes = [Node(consortium, number) for number in range(4)]
        async with running(*nodes):
            for frame in numbered(50):
                for node in nodes:
                    node.links.broadcast(bytes([node.identity]) + frame)
                await asyncio.sleep(0)
            for node in nodes:
                await node.received(150)
                for peer in nodes:
                    expected = [] if peer is node else [bytes([peer.identity]) + frame for frame in numbered(50)]
                    assert node.from_peer(peer) == expected

    run(main())


def test_a_frame_for_one_peer_reaches_no_other(consortium: Members) -> None:
    async def main() -> None:
        nodes = [Node(consortium, number) for number in range(3)]
        async with running(*nodes):
            nodes[0].links.send(ONE, b"for one")
            nodes[0].links.broadcast(b"for all")
            await nodes[1].received(2)
            await nodes[2].until(lambda: nodes[2].frames)
            assert nodes[2].from_peer(nodes[0]) == [b"for all"]

    run(main())


def test_frames_up_to_the_limit_pass_and_empty_ones_too(consortium: Members) -> None:
    async def main() -> None:
        sender, receiver = Node(consortium, 0), Node(consortium, 1)
        frames = [b"", bytes(16 * 2**20), b"x"]
        async with running(sender, receiver):
            for frame in frames:
                sender.links.send(ONE, frame)
            await receiver.received(3)
            assert receiver.from_peer(sender) == frames

    run(main())


def test_a_frame_over_the_limit_is_refused_before_it_is_queued(consortium: Members) -> None:
    async def main() -> None:
        limits = LinkLimits(frame_bytes_max=100)
        sender, receiver = Node(consortium, 0, limits=limits), Node(consortium, 1, limits=limits)
        async with running(sender, receiver):
            with pytest.raises(FrameTooLarge, match="expected at most 100 bytes, got 101 bytes"):
                sender.links.send(ONE, bytes(101))
            sender.links.send(ONE, bytes(100))
            await receiver.until(lambda: receiver.frames)
            assert receiver.from_peer(sender) == [bytes(100)]

    run(main())


def test_thousands_of_frames_of_one_turn_leave_in_one_write(consortium: Members) -> None:
    async def main() -> None:
        sender, receiver = Node(consortium, 0), Node(consortium, 1)
        async with running(sender, receiver):
            for frame in numbered(5_000):
                sender.links.send(ONE, frame)
            await receiver.received(5_000)
            sent, received = sender.links.traffic[ONE], receiver.links.traffic[sender.identity]
            assert (sent.writes, sent.frames_sent, sent.bytes_sent) == (1, 5_000, 500_000)
            assert (received.frames_received, received.bytes_received) == (5_000, 500_000)

    run(main())


def test_one_write_takes_no_more_than_its_limit(consortium: Members) -> None:
    async def main() -> None:
        sender = Node(consortium, 0, limits=LinkLimits(write_bytes_max=1_000))
        receiver = Node(consortium, 1)
        async with running(sender, receiver):
            for frame in numbered(100):
                sender.links.send(ONE, frame)
            await receiver.received(100)
            assert sender.links.traffic[ONE].writes == 10
            assert receiver.from_peer(sender) == numbered(100)

    run(main())


def test_a_full_queue_drops_the_oldest_frames_and_says_so_once(consortium: Members) -> None:
    async def main() -> None:
        sender = Node(consortium, 0, limits=LinkLimits(queue_frames_max=10))
        receiver = Node(consortium, 1)
        sender.start({ONE: receiver.address})
        for frame in numbered(100):
            sender.links.send(ONE, frame)
        assert sender.links.traffic[ONE].frames_dropped == 90
        assert [event.peer for event in sender.all(LinkEventKind.FRAMES_DROPPED)] == [ONE]
        receiver.start({})
        await receiver.received(10)
        assert receiver.from_peer(sender) == numbered(100)[90:]
        for frame in numbered(11):
            sender.links.send(ONE, frame)
        assert len(sender.all(LinkEventKind.FRAMES_DROPPED)) == 2
        await sender.links.close()
        await receiver.links.close()

    run(main())


def test_a_peer_that_does_not_read_fills_its_queue_and_no_buffer(consortium: Members) -> None:
    async def main() -> None:
        limits = LinkLimits(frame_bytes_max=2**16, queue_bytes_max=2**20, write_bytes_max=2**18)
        sender = Node(consortium, 0, limits=limits)
        pause = asyncio.Event()

        async def say_hello_and_stop(raw: Raw) -> None:
            await greeted(raw)
            raw.stop_reading()
            await pause.wait()

        async with accepting(say_hello_and_stop, consortium.tls(1).server) as address:
            sender.start({ONE: address})
            await sender.event(LinkEventKind.LINK_UP)
            # Were writes not held back, all of these would go into the connection's buffer, and none would be dropped.
            for _ in range(2_000):
                sender.links.send(ONE, bytes(2**16))
                await asyncio.sleep(0)
            assert sender.all(LinkEventKind.FRAMES_DROPPED)
            assert sender.links.connected == {ONE}
            await sender.links.close()

    run(main())


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
