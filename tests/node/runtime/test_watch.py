"""Alarms of real nodes: disk, clock, what is stored, and two processes with one validator's keys."""

import asyncio
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from consensus.engine import Engine
from consensus.records import CutRecord, encode_record
from ledger.evidence import DoubleVote, Offence, OffenceKind, ProvenOffence, SignedVote
from ledger.hashing import sha256
from ledger.quantities import Era, Height, TimeMs, ValidatorId, View
from ledger.votes import VoteKind
from node.alarms import Alarm, AlarmKind, AlarmLevel
from node.errors import SecondNode
from node.home import Home
from node.keystore import KeyPurpose
from node.runtime import peer_clocks
from node.runtime.node import Node
from node.runtime.watch import GRACE_TICKS
from node.runtime.wire import ClockTold
from node.storage.errors import StorageFull
from node.storage.vote_log import VoteLog
from quorate.ports import free_ports
from tests.ledger.helpers import header, proof_of, vote_for
from tests.network import WAIT_SECONDS, InProcessNetwork, make_homes, running_network, ticket
from tests.node.runtime.sites import open_task


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - nothing tells of an alarm but the alarm itself
            await asyncio.sleep(0.02)


def alarms(node: Node) -> list[tuple[AlarmKind, str, AlarmLevel]]:
    return [(alarm.kind, alarm.subject, alarm.level) for alarm in node.api.alarms]


def only(node: Node) -> Alarm:
    (alarm,) = node.api.alarms
    return alarm


def alone(home: Home, settings: str) -> Node:
    with home.configuration.open("a") as file:
        file.write(settings)
    return InProcessNetwork(homes=[home]).start(home)


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        (f"disk_free_bytes_warn = {2**60}", AlarmLevel.WARNING),
        (f"disk_free_bytes_warn = {2**60}\ndisk_free_bytes_min = {2**60}", AlarmLevel.CRITICAL),
    ],
)
def test_a_disk_that_fills_raises_the_alarm_before_it_is_full(tmp_path: Path, settings: str, level: AlarmLevel) -> None:
    async def scenario() -> None:
        home = make_homes(tmp_path)[0]
        node = alone(home, f"\n[alarms]\n{settings}\n")
        await eventually(lambda: alarms(node) == [(AlarmKind.DISK, "", level)])
        assert re.match(r"[0-9,]+ bytes are free", only(node).detail)
        assert not node.ending.is_set()
        upload = ticket(home.load_key(KeyPurpose.OPERATOR), b"blob", node.member.genesis)
        if level is AlarmLevel.WARNING:
            node.api.begin_upload(upload).abort()
        else:
            with pytest.raises(StorageFull, match="free space on the disk"):
                node.api.begin_upload(upload)
        await node.stop()

    asyncio.run(scenario())


def test_the_alarm_is_cleared_once_there_is_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        node = alone(make_homes(tmp_path)[0], f"\n[alarms]\ndisk_free_bytes_warn = {2**60}\n")
        await eventually(lambda: AlarmKind.DISK in {alarm.kind for alarm in node.api.alarms})
        node._watch._section = replace(node._watch._section, disk_free_bytes_warn=1, disk_free_bytes_min=1)
        await eventually(lambda: not alarms(node))
        await node.stop()

    asyncio.run(scenario())


def test_a_clock_that_is_wrong_is_noticed_by_whoever_has_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            wrong = network.nodes[3]
            wrong._clocks._wall = lambda: TimeMs(peer_clocks.wall_clock() + 60_000)
            await eventually(lambda: alarms(wrong) == [(AlarmKind.CLOCK, "", AlarmLevel.CRITICAL)])
            assert re.match(r"this clock is at least [0-9,]+ ms ahead of those of f\+1 peers", only(wrong).detail)
            others = network.nodes[:3]

            def seen_by(node: Node) -> int | None:
                return {peer.validator: peer for peer in node.api.status().peers}[ValidatorId(3)].clock_offset_ms

            await eventually(lambda: all((seen_by(node) or 0) > 30_000 for node in others))
            assert [alarms(node) for node in others] == [[], [], []], "one peer's word is no alarm"
            wrong._clocks._wall = peer_clocks.wall_clock
            wrong._clocks._ticks = 0
            await eventually(lambda: not alarms(wrong))

    asyncio.run(scenario())


def test_a_blob_that_is_gone_is_an_alarm_until_it_was_fetched_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            sites = await open_task(network, rounds=1)
            store = network.nodes[3]._durable.store
            await eventually(lambda: store.has(sites.model) and store.record(sites.model).recorded)
            path = store.path(sites.model)
            await network.nodes[3].stop()
            path.unlink()
            with capture_logs() as written:
                node = network.restart(3)
                node._watch.tick()
                assert alarms(node) == [(AlarmKind.CORRUPTION, "blobs", AlarmLevel.CRITICAL)]
                assert sites.model.hex() in only(node).detail
                await eventually(lambda: not alarms(node))
            assert node._durable.store.has(sites.model)
            raised = [line["event"] for line in written if line["event"].startswith("alarm")]
            assert raised == ["alarm-raised", "alarm-cleared"]

    asyncio.run(scenario())


def test_facts_that_f_plus_1_validators_compute_otherwise_are_an_alarm(tmp_path: Path) -> None:
    async def scenario() -> None:
        node = alone(make_homes(tmp_path)[0], "")
        node._watch.on_facts_differ(sha256(b"blob"), 1)
        assert not alarms(node), "one liar"
        node._watch.on_facts_differ(sha256(b"blob"), 2)
        assert alarms(node) == [(AlarmKind.CORRUPTION, "facts", AlarmLevel.CRITICAL)]
        await node.stop()

    asyncio.run(scenario())


def copied_home(home: Home, to: Path) -> Home:
    """Return a copy of a home with everything in it, for a process that listens elsewhere."""
    shutil.copytree(home.path, to)
    copy = Home(to)
    elsewhere = f"127.0.0.1:{free_ports(1)[0]}"
    text = copy.configuration.read_text()
    copy.configuration.write_text(re.sub(r'(\[link\]\nlisten = ")[^"]*', lambda found: found[1] + elsewhere, text))
    assert copy.configuration.read_text() != text
    return copy


def test_of_two_processes_with_one_vote_key_the_one_that_hears_stops_and_the_other_one_is_deaf(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            await network.nodes[3].stop()
            copy = copied_home(network.homes[3], tmp_path / "copy")
            original, twin = network.restart(3), network.start(copy)
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await original.ending.wait()
                assert original.exit_code == SecondNode.exit_code
                twin._watch._ticks = GRACE_TICKS
                await eventually(lambda: alarms(twin) == [(AlarmKind.LINKS, "", AlarmLevel.WARNING)])
                assert only(twin).detail.startswith("0 peers answer, 2 make a quorum with this node")
            finally:
                await twin.stop()
            assert not any(node.ending.is_set() for node in network.nodes[:3])
            assert all(not alarms(node) for node in network.nodes[:3])

    asyncio.run(scenario())


def test_one_peer_that_claims_to_have_met_a_second_node_stops_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            node = network.nodes[0]
            await eventually(lambda: node._clocks._asked is not None)
            asked = node._clocks._asked
            assert asked is not None
            lie = ClockTold(sent=asked[0], now=asked[0], second_node=True)
            node._on_duty(ValidatorId(2), lie)
            node._watch.tick()
            assert alarms(node) == [(AlarmKind.SECOND_NODE, "", AlarmLevel.WARNING)]
            assert not node.ending.is_set()

    asyncio.run(scenario())


def test_a_learners_word_counts_for_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        node = alone(make_homes(tmp_path)[0], "")
        await eventually(lambda: node._clocks._asked is not None)
        asked = node._clocks._asked
        assert asked is not None
        for number in (7, 8, 9):
            told = ClockTold(sent=asked[0], now=TimeMs(asked[0] + 60_000), second_node=True)
            node._on_duty(ValidatorId(number), told)
        node._watch.tick()
        assert len(node._clocks.offsets) == 3
        assert not alarms(node)
        assert not node.ending.is_set()
        await node.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(("who", "era", "stops"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_evidence_against_ones_own_key_stops_whoever_votes_with_it(
    tmp_path: Path, who: int, era: int, *, stops: bool
) -> None:
    async def scenario() -> None:
        node = alone(make_homes(tmp_path)[0], "")
        offence = Offence(
            offender=ValidatorId(who), kind=OffenceKind.COMMIT, era=Era(era), view=View(0), height=Height(5)
        )
        vote = SignedVote(
            vote=vote_for(header(), VoteKind.COMMIT), proof=proof_of(vote_for(header(), VoteKind.COMMIT), 0)
        )
        node._on_evidence(ProvenOffence(offence=offence, evidence=DoubleVote(first=vote, second=vote)))
        assert node.ending.is_set() == stops
        assert node.exit_code == (SecondNode.exit_code if stops else 0)
        await node.stop()

    asyncio.run(scenario())


def test_evidence_against_a_key_that_votes_no_more_is_an_alarm(tmp_path: Path) -> None:
    async def scenario() -> None:
        home = make_homes(tmp_path)[0]
        home.vote_key_used.touch()
        node = alone(home, "")
        offence = Offence(offender=ValidatorId(0), kind=OffenceKind.COMMIT, era=Era(0), view=View(0), height=Height(5))
        node._watch.on_own_offence(offence, votes=isinstance(node.loop.engine, Engine))
        assert alarms(node) == [(AlarmKind.SECOND_NODE, "evidence", AlarmLevel.CRITICAL)]
        assert not node.ending.is_set()
        await node.stop()

    asyncio.run(scenario())


def test_a_validator_that_votes_for_nothing_for_long_says_why(tmp_path: Path) -> None:
    """Its chain was moved away, and the vote log shows how far it had come."""

    async def scenario() -> None:
        home = make_homes(tmp_path)[0]
        home.data.mkdir()
        log = VoteLog.create(home.vote_log, chain_id=home.load_genesis().chain_id)
        log.append([encode_record(CutRecord(era=Era(0), height=Height(5)))])
        log.sync()
        log.close()
        node = alone(home, "")
        for _ in range(GRACE_TICKS):
            node._watch.tick()
        assert AlarmKind.VOTE not in {alarm.kind for alarm in node.api.alarms}
        for _ in range(GRACE_TICKS):
            node._watch.tick()
        (alarm,) = [alarm for alarm in node.api.alarms if alarm.kind is AlarmKind.VOTE]
        assert (alarm.level, node.ending.is_set()) == (AlarmLevel.WARNING, False)
        assert alarm.detail == (
            "this validator does not vote now: it has to fetch its chain again first: by its vote log it had block 5"
        )
        await node.stop()

    asyncio.run(scenario())
