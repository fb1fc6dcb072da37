"""Strangers are bounded, and a system without sockets to give does not stop the node."""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

from node.transport import listener
from node.transport.events import LinkEventKind
from node.transport.handshake import LinkPurpose
from node.transport.limits import LinkLimits
from tests.node.transport.credentials import Members
from tests.node.transport.network import Node, run, running, still_works
from tests.node.transport.raw_ends import connect, linked


def test_the_oldest_stranger_makes_room_for_the_newest_and_no_validator_does(consortium: Members) -> None:
    async def main() -> None:
        node, peer = Node(consortium, 0, limits=LinkLimits(strangers_max=3)), Node(consortium, 1)
        async with running(node, peer), AsyncExitStack() as stack:
            await node.event(LinkEventKind.INCOMING_UP)
            strangers = [await stack.enter_async_context(connect(node.address, None)) for _ in range(5)]
            await strangers[0].ended()
            await strangers[1].ended()
            await node.event(LinkEventKind.INCOMING_REFUSED, number=2)
            reasons = [str(event.error) for event in node.all(LinkEventKind.INCOMING_REFUSED)]
            assert reasons == ["strangers: expected at most 3 at a time, got one more"] * 2
            assert len(node.links._listener._strangers) == 3
            assert not node.all(LinkEventKind.INCOMING_DOWN)
            await still_works(peer, node)

    run(main())


def test_validators_get_in_among_strangers(consortium: Members) -> None:
    async def main() -> None:
        limits = LinkLimits(strangers_max=4)
        nodes = [Node(consortium, number, limits=limits) for number in range(4)]
        async with AsyncExitStack() as stack:
            for node in nodes:
                for _ in range(6):
                    await stack.enter_async_context(connect(node.address, None))
            await stack.enter_async_context(running(*nodes))
            for node in nodes[1:]:
                await still_works(nodes[0], node)

    run(main())


class Exhausted(socket.socket):
    """A listening socket of a process that is out of file descriptors, for a while."""

    refusals = 2

    def accept(self) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_system_out_of_sockets_is_reported_and_tried_again(
    consortium: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "ACCEPT_PAUSE_SECONDS", 0.01)

    async def main() -> None:
        node = Node(consortium, 0)
        node.socket = Exhausted(fileno=node.socket.detach())
        async with (
            running(node),
            linked(node.address, consortium.tls(1), LinkPurpose.MESSAGES) as raw,
        ):
            await raw.send_frame(b"at last")
            await node.until(lambda: node.frames)
            failures = node.all(LinkEventKind.ACCEPT_FAILED)
            assert len(failures) == 2
            assert "Too many open files" in str(failures[0].error)

    run(main())


def test_while_the_system_is_out_of_sockets_it_is_left_alone_and_closing_works(
    consortium: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "ACCEPT_PAUSE_SECONDS", 3_600)

    async def main() -> None:
        node = Node(consortium, 0)
        node.socket = Exhausted(fileno=node.socket.detach())
        async with running(node), connect(node.address, None) as raw:
            await node.event(LinkEventKind.ACCEPT_FAILED)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(node.all(LinkEventKind.ACCEPT_FAILED)) == 1
            pause = node.links._listener._pause
            assert pause is not None
            await node.links.close()
            assert pause.cancelled()
            await raw.ended()

    run(main())


def test_a_connection_accepted_in_the_moment_of_closing_is_closed_too(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0)
        async with running(node):
            asyncio.get_running_loop().remove_reader(node.socket)
            async with connect(node.address, None) as raw:
                node.links._listener._accept()
                assert len(node.links._listener._strangers) == 1
                await node.links.close()
                await raw.ended()
        assert node.events == []

    run(main())


def test_strangers_that_are_still_there_do_not_delay_closing(consortium: Members) -> None:
    async def main() -> None:
        node = Node(consortium, 0, limits=LinkLimits(handshake_seconds=3_600))
        async with running(node), connect(node.address, consortium.tls(1).client) as raw:
            await asyncio.sleep(0)
            await node.links.close()
            await raw.ended()

    run(main())
