"""The loop around the engine: time in which the process could not listen, and what may wait for a turn."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from consensus.errors import ProtocolViolation
from consensus.messages import FetchBody, Message
from consensus.ports import Effects, Moment
from ledger.hashing import sha256
from ledger.quantities import ValidatorId
from node.config import load
from node.runtime.loop import INPUTS_MAX
from node.runtime.node import Node
from node.transport.events import LinkEvent, LinkEventKind
from tests.network import make_homes

Arrived = Iterable[tuple[ValidatorId, Message]]


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def with_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: Callable[[Node, Clock], None]) -> None:
    """Run a scenario on a node that is not linked to anybody, within one step of the event loop."""

    async def run() -> None:
        home = make_homes(tmp_path)[0]
        node = Node(home, load(home.configuration, environment={}).configuration)
        with monkeypatch.context() as patched:
            scenario(node, Clock(patched))
        await node.stop()

    asyncio.run(run())


def test_b11_a_process_that_was_stopped_holds_the_time_against_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scenario(node: Node, clock: Clock) -> None:
        excused: list[float] = []
        monkeypatch.setattr(node.loop.engine, "excuse", excused.append)
        node.loop._turn()
        clock.now += 0.1
        node.loop._turn()
        assert excused == []
        clock.now += 600.0
        node.loop._turn()
        assert excused == [pytest.approx(600.0, abs=1.0)]
        clock.now += 0.1
        node.loop._turn()
        assert len(excused) == 1

    with_node(tmp_path, monkeypatch, scenario)


def test_a_turn_that_takes_long_is_held_against_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scenario(node: Node, clock: Clock) -> None:
        excused: list[float] = []
        engine = node.loop.engine
        turn = engine.turn

        def starved(arrived: Arrived, now: Moment, *, refuse: Callable[[ProtocolViolation], None]) -> Effects:
            clock.now += 2.0
            return turn(arrived, now, refuse=refuse)

        monkeypatch.setattr(engine, "excuse", excused.append)
        monkeypatch.setattr(engine, "turn", starved)
        node.loop._turn()
        assert excused == [pytest.approx(2.0)]

    with_node(tmp_path, monkeypatch, scenario)


def test_one_peer_cannot_crowd_out_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scenario(node: Node, clock: Clock) -> None:
        del clock
        heard: list[int] = []

        def turn(arrived: Iterable[tuple[ValidatorId, Message]], now: Moment, **_: object) -> Effects:
            heard.extend(sender for sender, _ in arrived)
            return Effects(timer_at=now.elapsed)

        monkeypatch.setattr(node.loop.engine, "turn", turn)
        monkeypatch.setattr(node.loop.engine, "excuse", lambda _: None)
        for _ in range(2):
            for sender in (1, 1, 1, 1, 2, 1, 3):
                for _ in range(INPUTS_MAX // 2):
                    node.loop.receive(ValidatorId(sender), FetchBody(digest=sha256(b"any")))
            node.loop._turn()
            assert Counter(heard) == {1: INPUTS_MAX, 2: INPUTS_MAX // 2, 3: INPUTS_MAX // 2}
            heard.clear()

    with_node(tmp_path, monkeypatch, scenario)


def test_a_broken_connection_is_a_hint_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scenario(node: Node, clock: Clock) -> None:
        del clock
        lost: list[ValidatorId] = []
        monkeypatch.setattr(node.loop.engine, "lost", lambda peer, _: lost.append(peer))
        for kind in LinkEventKind:
            for peer in (None, ValidatorId(2)):
                node._wires._on_link_event(LinkEvent(kind=kind, peer=peer))
        assert lost == [2]

    with_node(tmp_path, monkeypatch, scenario)
