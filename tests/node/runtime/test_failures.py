"""What stops a node, and what only stops the work that failed."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consensus.errors import ProtocolViolation
from consensus.messages import Proposal
from consensus.ports import Send
from ledger.errors import Undecidable
from ledger.quantities import ValidatorId
from node.config import LinkSection, load
from node.runtime import node as node_module
from node.runtime.ending import EXIT_FATAL
from node.runtime.node import Node
from node.runtime.tasks import Tasks
from node.storage.errors import BlobNotFound, DatabaseDamaged, StorageFailed, StorageFull
from tests.consensus.forge import Forge
from tests.network import WAIT_SECONDS, make_homes


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (StorageFailed("disk"), True),
        (DatabaseDamaged("block"), True),
        (StorageFull("room"), False),
        (BlobNotFound("blob"), False),
        (Undecidable("blob"), False),
        (ValueError("bug"), False),
    ],
)
def test_a_failing_disk_stops_the_node_and_other_failures_the_work_alone(error: Exception, *, stops: bool) -> None:
    async def scenario() -> list[BaseException]:
        fatal: list[BaseException] = []
        tasks, ended = Tasks(on_fatal=fatal.append), asyncio.Event()

        async def work() -> None:
            ended.set()
            raise error

        tasks.spawn(work(), name="work")
        await asyncio.wait_for(ended.wait(), WAIT_SECONDS)
        await tasks.close()
        return fatal

    assert asyncio.run(scenario()) == ([error] if stops else [])


def test_a_validator_that_breaks_the_protocol_all_the_time_fills_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        home = make_homes(tmp_path)[0]
        node = Node(home, load(home.configuration, environment={}).configuration)
        counted: list[ProtocolViolation] = []
        node.on_violation(counted.append)
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        with capture_logs() as written:
            for sender in (1, 1, 2, 1):
                node._wires._on_frame(ValidatorId(sender), b"\xc1")
        assert [(line["event"], line["code"], line["peer"]) for line in written] == [
            ("protocol-violation", "protocol-violation", 1),
            ("protocol-violation", "protocol-violation", 2),
        ]
        assert len(counted) == 4
        monkeypatch.undo()
        await node.stop()

    asyncio.run(scenario())


def raising() -> None:
    raise StorageFull("frame")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda node: setattr(node._gossip, "tick", raising),
        lambda node: setattr(node._holding, "tick", raising),
        lambda node: setattr(node._committee, "look", raising),
        lambda node: setattr(node._blobs, "expire", raising),
    ],
)
def test_a_node_whose_tick_fails_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Node], None]
) -> None:
    monkeypatch.setattr(node_module, "TICK_SECONDS", 0.001)

    async def scenario() -> int:
        home = make_homes(tmp_path)[0]
        node = Node(home, load(home.configuration, environment={}).configuration)
        spoil(node)
        node.start()
        await asyncio.wait_for(node.ending.wait(), WAIT_SECONDS)
        await node.stop()
        return node.exit_code

    assert asyncio.run(scenario()) == EXIT_FATAL


@pytest.mark.parametrize("to", [None, ValidatorId(1)])
def test_a_message_that_no_frame_holds_is_lost_and_stops_nothing(tmp_path: Path, to: ValidatorId | None) -> None:
    async def scenario() -> None:
        home = make_homes(tmp_path)[0]
        node = Node(home, load(home.configuration, environment={}).configuration)
        forge = Forge()
        huge = Proposal(block=forge.block(forge.genesis, bytes(LinkSection().frame_bytes_max)))
        with capture_logs() as written:
            node._wires.carry(Send(message=huge, to=to))
        assert [(line["event"], line["code"], line["message"]) for line in written] == [
            ("message-too-large", "frame-too-large", "Proposal")
        ]
        await node.stop()

    asyncio.run(scenario())
