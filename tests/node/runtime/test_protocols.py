"""A protocol version that only some releases know: who does not know it stops before it, and nobody forks.

Version 2 changes nothing yet: a release that knows it differs from this one by that alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.protocols import NOTICE_HEIGHTS
from ledger.approvals import approved
from ledger.entries import Accepted
from ledger.quantities import Height
from ledger.transactions import ActivateProtocol, EnrolParticipant
from node.alarms import AlarmKind
from node.config import load
from node.errors import ProtocolUnknown
from node.runtime.node import Node
from node.runtime.status import Upcoming
from tests.consortium import signing_key
from tests.network import WAIT_SECONDS, InProcessNetwork, make_homes

OLD, NEW = frozenset({1}), frozenset({1, 2})


def start(network: InProcessNetwork, number: int, knows: frozenset[int]) -> Node:
    home = network.homes[number]
    node = Node(home, load(home.configuration, environment={}).configuration, protocols=knows)
    node.application.on_appended(lambda _: network.changed.set())
    node.start()
    return node


@asynccontextmanager
async def mixed_network(folder: Path, releases: list[frozenset[int]]) -> AsyncIterator[InProcessNetwork]:
    network = InProcessNetwork(homes=make_homes(folder))
    try:
        for number, knows in enumerate(releases):
            network.nodes.append(start(network, number, knows))
        yield network
    finally:
        for node in network.nodes:
            if not node.is_stopped:
                await node.stop()


async def enrol(network: InProcessNetwork, name: str) -> Height:
    body = EnrolParticipant(organisation="org-0", name=name, key=signing_key(name).public)
    final = await network.submit(network.operator(0), body)
    assert isinstance(final.receipt.verdict, Accepted)
    return final.receipt.height


async def activate(network: InProcessNetwork) -> Height:
    """Let the consortium decide for version 2, and return its height."""
    height = Height(network.nodes[0].api.height + 1 + NOTICE_HEIGHTS)
    body = ActivateProtocol(serial=1, version=2, height=height, approvals=())
    operators = tuple(network.operator(number) for number in range(3))
    carried = replace(body, approvals=approved(body, operators, chain_id=network.genesis.chain_id))
    final = await network.submit(network.operator(0), carried)
    assert final.receipt.verdict == Accepted(values=(2, height))
    return height


def test_a_release_that_does_not_know_the_next_version_stops_before_it_and_catches_up_once_upgraded(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with mixed_network(tmp_path, [NEW, NEW, NEW, OLD]) as network:
            height = await activate(network)
            old = network.nodes[3]
            assert network.nodes[0].status().upcoming == Upcoming(version=2, height=Height(height))
            await network.until(lambda: old.api.height == network.nodes[0].api.height)
            old._watch.tick()
            assert [alarm.kind for alarm in old.api.alarms] == [AlarmKind.PROTOCOL]
            assert f"version 2 begins at block {height}" in next(iter(old.api.alarms)).detail
            assert not any(alarm.kind is AlarmKind.PROTOCOL for alarm in network.nodes[0].api.alarms)
            number = 0
            while network.nodes[0].api.height < height + 2:
                number += 1
                await enrol(network, f"site-{number}")
            async with asyncio.timeout(WAIT_SECONDS):
                await old.ending.wait()
            assert old.exit_code == ProtocolUnknown.exit_code
            await old.stop()
            assert old.api.height == height - 1
            with pytest.raises(ProtocolUnknown, match=r"expected one of \[1\], got 2"):
                start(network, 3, OLD)
            network.nodes[3] = start(network, 3, NEW)
            await network.until(lambda: len({node.api.height for node in network.nodes}) == 1)
            assert len({node.chain.head.header.digest for node in network.nodes}) == 1
            headers = [network.nodes[3].chain.header(Height(place)) for place in (height - 1, height)]
            assert [header.protocol for header in headers if header is not None] == [1, 2]
            assert network.nodes[0].status().upcoming is None

    asyncio.run(scenario())


def test_a_chain_whose_validators_do_not_know_the_next_version_halts_at_one_height_and_goes_on_once_upgraded(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with mixed_network(tmp_path, [OLD] * 4) as network:
            height = await activate(network)
            number = 0
            while network.nodes[0].api.height < height - 1:
                number += 1
                await enrol(network, f"site-{number}")
            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.gather(*(node.ending.wait() for node in network.nodes))
            for node in network.nodes:
                await node.stop()
            assert all(node.exit_code == ProtocolUnknown.exit_code for node in network.nodes)
            assert {node.api.height for node in network.nodes} == {height - 1}
            for place in range(4):
                network.nodes[place] = start(network, place, NEW)
            assert await enrol(network, "after") == height
            header = network.nodes[0].chain.header(height)
            assert header is not None
            assert header.protocol == 2

    asyncio.run(scenario())
