"""Frames between real nodes over real TLS: in order, whole, and bounded."""

import asyncio

import pytest

from ledger.quantities import ValidatorId
from node.transport.errors import FrameTooLarge
from node.transport.events import LinkEventKind
from node.transport.limits import LinkLimits
from tests.node.transport.credentials import Members
from tests.node.transport.network import Node, run, running
from tests.node.transport.raw_ends import Raw, accepting, greeted

ONE = ValidatorId(1)


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


def test_peers_that_are_added_removed_and_moved_while_it_runs(consortium: Members) -> None:
    async def main() -> None:
        zero, one, two = (Node(consortium, number) for number in range(3))
        zero.start({one.identity: one.address})
        one.start({zero.identity: zero.address})
        two.start({zero.identity: zero.address, one.identity: one.address})
        try:
            await zero.connected(1)
            zero.links.update({one.identity: one.address, two.identity: two.address})
            await zero.connected(2)
            zero.links.broadcast(b"to both")
            for node in (one, two):
                await node.until(lambda node=node: node.from_peer(zero) == [b"to both"])  # type: ignore[misc]
            zero.links.update({two.identity: two.address})
            await zero.until(lambda: zero.links.connected == {two.identity})
            zero.links.broadcast(b"to two")
            zero.links.send(one.identity, b"to nobody")
            await two.until(lambda: two.from_peer(zero) == [b"to both", b"to two"])
            assert one.from_peer(zero) == [b"to both"]
        finally:
            for node in (zero, one, two):
                await node.links.close()

    run(main())


def test_a_link_whose_peer_has_not_changed_goes_on_undisturbed(consortium: Members) -> None:
    async def main() -> None:
        nodes = zero, one, two = tuple(Node(consortium, number) for number in range(3))
        async with running(*nodes):
            before = len(zero.all(LinkEventKind.LINK_UP))
            zero.links.update({one.identity: one.address, two.identity: two.address}, anew={two.identity})
            await zero.until(lambda: len(zero.all(LinkEventKind.LINK_UP)) > before)
            again = {event.peer for event in zero.all(LinkEventKind.LINK_UP)[before:]}
            assert again == {two.identity}
            await zero.connected(2)

    run(main())
