"""Real validators in one process: snapshots are made beside voting, and whoever was away joins from them."""

import asyncio
import shutil
from pathlib import Path

import pytest

from consensus import catch_up
from consensus.engine import Engine
from consensus.learner import Learner
from ledger.membership import RotateKeys
from ledger.quantities import Height, ValidatorId
from ledger.snapshots import SnapshotManifest
from ledger.transactions import EnrolParticipant
from node.config import load
from node.keystore import KeyPurpose
from node.runtime import joining
from node.runtime.node import Node
from node.storage.errors import BelowSnapshot
from tests.consortium import signing_key
from tests.network import WAIT_SECONDS, InProcessNetwork, make_homes
from tests.node.runtime.test_membership import change, staged

INTERVAL = 4
SETTINGS = {
    "snapshots.interval_blocks": str(INTERVAL),
    "snapshots.interval_seconds": "0",
    "snapshots.join_blocks": "1",
    "timing.view_ms": "5000",
    "timing.status_ms": "1000",
}


class Network(InProcessNetwork):
    """Four homes, of which the last one's node is started late."""

    def open(self, number: int, **settings: str) -> Node:
        options = {**SETTINGS, **{name.replace("__", "."): value for name, value in settings.items()}}
        home = self.homes[number]
        node = Node(home, load(home.configuration, environment={}, options=options).configuration)
        node.application.on_appended(lambda _: self.changed.set())
        self._tell_of_snapshots(node)
        node.start()
        return node

    def _tell_of_snapshots(self, node: Node) -> None:
        shelf, loop = node._durable.shelf, asyncio.get_running_loop()
        finish = shelf.finish

        def finished(manifest: SnapshotManifest) -> None:
            finish(manifest)
            loop.call_soon_threadsafe(self.changed.set)

        shelf.finish = finished  # type: ignore[method-assign]

    async def reopened(self, number: int, node: Node) -> Node:
        """Wait until a node has joined; open it again, as its process does."""
        await asyncio.wait_for(node.ending.wait(), WAIT_SECONDS)
        assert node.reopens
        assert node.exit_code == 0
        await node.stop()
        return self.open(number)

    async def checkpoint(self, first: int, *, number: int) -> None:
        """Bring the chain to a checkpoint, and wait until every node that runs has its snapshot."""
        await self.enrol(first, INTERVAL)
        running = [node for node in self.nodes if not node.is_stopped]
        await self.until(lambda: all(node.status().snapshot == number * INTERVAL for node in running))

    async def enrol(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            name = f"site-{number}"
            body = EnrolParticipant(organisation="org-0", name=name, key=signing_key(name).public)
            await self.submit(self.operator(0), body)


def state_of(node: Node) -> dict[bytes, bytes]:
    return dict(node.chain.state.scan(b""))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.runtime.node.TICK_SECONDS", 0.05)
    # heartbeats from before a node was there may be heard first: blocks are not all fetched for their sake
    monkeypatch.setattr(catch_up, "BLOCKS_ASKED", 1)
    monkeypatch.setattr(joining, "RETRY_SECONDS_MIN", 0.1)


def test_a_validator_that_was_down_from_genesis_on_joins_from_a_snapshot_and_votes(tmp_path: Path, quick: None) -> None:
    del quick

    async def main() -> None:
        network = Network(homes=make_homes(tmp_path))
        nodes = network.nodes
        nodes += [network.open(number) for number in range(3)]
        try:
            await network.checkpoint(0, number=1)
            await network.checkpoint(INTERVAL, number=2)
            await network.enrol(50, 2)
            for number in range(3):  # else what waits in their queues for the absent one would bring it up to date
                await nodes[number].stop()
                nodes[number] = network.open(number)
            late = network.open(3)
            nodes.append(late)
            late = await network.reopened(3, late)
            nodes[3] = late
            assert late.chain.base == 2 * INTERVAL
            await network.until(lambda: late.api.height == nodes[0].api.height)
            assert state_of(late) == state_of(nodes[0])
            with pytest.raises(BelowSnapshot):
                late.chain.entries(Height(1))
            # it votes: without it there is no quorum now
            await nodes[2].stop()
            await network.enrol(100, 3)
            await network.until(lambda: late.api.height == nodes[0].api.height)
            assert state_of(late) == state_of(nodes[0])
            await network.until(lambda: late.status().snapshot == 3 * INTERVAL)
        finally:
            for node in nodes:
                if not node.is_stopped:
                    await node.stop()

    asyncio.run(main())


def test_a_wiped_validator_joins_from_a_snapshot_as_one_that_follows_and_votes_again_after_a_rotation(
    tmp_path: Path, quick: None
) -> None:
    """Its keys and the mark of a used vote key are all that is left of its home."""
    del quick

    async def main() -> None:
        network = Network(homes=make_homes(tmp_path))
        nodes, home = network.nodes, network.homes[3]
        nodes += [network.open(number) for number in range(4)]
        try:
            await network.checkpoint(0, number=1)
            await nodes[3].stop()
            shutil.rmtree(home.data)
            await network.checkpoint(INTERVAL, number=2)
            await network.enrol(50, 2)
            for number in range(3):  # as above
                await nodes[number].stop()
                nodes[number] = network.open(number)
            late = nodes[3] = network.open(3)
            assert isinstance(late.loop.engine, Learner)
            late = nodes[3] = await network.reopened(3, late)
            assert late.chain.base == 2 * INTERVAL
            assert isinstance(late.loop.engine, Learner)
            await network.until(lambda: late.api.height == nodes[0].api.height)

            keys = staged(home, vote_key_only=True)
            await change(network, RotateKeys(validator=ValidatorId(3), keys=keys), home=home)
            await network.until(lambda: isinstance(late.loop.engine, Engine))
            assert home.load_key(KeyPurpose.VOTE).public == keys.vote_key
            await nodes[2].stop()  # so that its vote is needed
            await network.enrol(100, 1)
            await network.until(lambda: late.api.height == nodes[0].api.height)
            assert state_of(late) == state_of(nodes[0])
        finally:
            for node in nodes:
                if not node.is_stopped:
                    await node.stop()

    asyncio.run(main())
