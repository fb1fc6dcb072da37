"""Real nodes at the ends of eras: learners join, keys are rotated, a validator leaves, a lost vote log is replaced."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace
from structlog.testing import capture_logs

from consensus.engine import Engine
from consensus.learner import Learner
from contracts import queries
from ledger.approvals import approved
from ledger.entries import Accepted
from ledger.membership import (
    AddValidator,
    Change,
    RegisterLearner,
    RemoveValidator,
    RotateKeys,
    SeatKeys,
    new_keys,
    prove_possession,
)
from ledger.quantities import TimeMs, ValidatorId
from ledger.transactions import ChangeValidators, EnrolParticipant
from node import backup
from node.alarms import AlarmKind, AlarmLevel
from node.home import Home, create_validator, read_descriptor
from node.keystore import KeyPurpose, load_key
from node.runtime.node import Node
from node.seat import SEAT_KEYS, keys_of, stage_keys
from quorate.ports import free_ports
from tests.consortium import signing_key
from tests.network import STEADY, InProcessNetwork, running_network
from tests.node.runtime.test_watch import eventually

FIFTH = ValidatorId(4)


@asynccontextmanager
async def network_with_learner(folder: Path) -> AsyncIterator[InProcessNetwork]:
    """Run four validators, and a fifth node that nobody knows yet."""
    async with running_network(folder) as network:
        home = Home(folder / "org-4")
        link, rest, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
        create_validator(home, organisation="org-4", link=link, rest=rest, metrics=metrics)
        home.adopt_genesis(network.homes[0].genesis, learner=True)
        network.homes.append(home)
        network.nodes.append(network.start(home))
        yield network


async def change(network: InProcessNetwork, wanted: Change, *, home: Home | None = None) -> int:
    """Let everybody's operators approve a change; return the number it was about."""
    held = {}
    if home is not None:
        for purpose in (*SEAT_KEYS, KeyPurpose.OPERATOR):
            for path in (home.key(purpose), home.staged_key(purpose)):
                if path.exists():
                    key = load_key(path, purpose)
                    held[key.public] = key
    era, _ = queries.era(network.nodes[1].chain.state)
    chain_id = network.genesis.chain_id
    proofs = tuple(prove_possession(wanted, held[key], chain_id=chain_id) for key in new_keys(wanted))
    body = ChangeValidators(era=era, change=wanted, possession=proofs, approvals=())
    operators = tuple(network.operator(number) for number in range(4))
    body = replace(body, approvals=approved(body, operators, chain_id=chain_id))
    final = await network.submit(network.operator(1), body, node=1)
    assert isinstance(final.receipt.verdict, Accepted), final.receipt
    return final.receipt.verdict.values[0]


async def order(network: InProcessNetwork, name: str, nodes: list[Node]) -> None:
    """Let something be ordered, and wait until these nodes have it."""
    body = EnrolParticipant(organisation="org-1", name=name, key=signing_key(name).public)
    final = await network.submit(network.operator(1), body, node=1)
    await network.until(lambda: all(node.api.height >= final.receipt.height for node in nodes))
    assert len({node.chain.header(final.receipt.height) for node in nodes}) == 1


def staged(home: Home, *, vote_key_only: bool = False) -> SeatKeys:
    """Make keys for a rotation at the same addresses."""
    here = read_descriptor(home.descriptor).validators[0]
    now = TimeMs(time.time_ns() // 1_000_000)
    return stage_keys(
        home, link_address=here.link_address, rest_url=here.rest_url, now=now, vote_key_only=vote_key_only
    )


def registration(home: Home) -> RegisterLearner:
    descriptor = read_descriptor(home.descriptor)
    operator = home.load_key(KeyPurpose.OPERATOR).public
    return RegisterLearner(
        organisation=descriptor.organisation, operator_key=operator, keys=keys_of(descriptor.validators[0])
    )


async def join(network: InProcessNetwork) -> Node:
    """Make the fifth node a validator."""
    node = network.nodes[4]
    assert await change(network, registration(network.homes[4]), home=network.homes[4]) == FIFTH
    await network.until(lambda: node.member.validator == FIFTH)
    assert isinstance(node.loop.engine, Learner)
    assert node.status().seat == "learner"
    await change(network, AddValidator(learner=FIFTH))
    await network.until(lambda: all(queries.era(node.chain.state)[0] == 1 for node in network.nodes))
    return node


def test_a_fifth_validator_joins_and_is_needed_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with network_with_learner(tmp_path) as network:
            assert isinstance(network.nodes[4].loop.engine, Learner)
            node = await join(network)
            assert isinstance(node.loop.engine, Engine)
            assert node.status().seat == "validator"
            await network.nodes[0].stop()
            await order(network, "b", network.nodes[1:])
            header = node.chain.head.header
            assert (header.era, header.validators) == (1, node.validators.digest)
            await network.nodes[4].stop()
            restarted = network.restart(4)
            await order(network, "c", [*network.nodes[1:4], restarted])

    asyncio.run(scenario())


def test_a_removed_validator_follows_no_more_and_the_others_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with network_with_learner(tmp_path) as network:
            await join(network)
            await change(network, RemoveValidator(validator=ValidatorId(0)))
            await network.until(lambda: all(queries.era(node.chain.state)[0] == 2 for node in network.nodes))
            gone = network.nodes[0]
            assert isinstance(gone.loop.engine, Learner)
            assert gone.status().seat == "left"
            assert [check.name for check in gone.api.readiness()] == ["seat"]
            await order(network, "b", network.nodes[1:])
            await network.nodes[1].stop()
            await order_from(network, 2, "c", network.nodes[2:])

    asyncio.run(scenario())


async def order_from(network: InProcessNetwork, number: int, name: str, nodes: list[Node]) -> None:
    body = EnrolParticipant(organisation="org-1", name=name, key=signing_key(name).public)
    final = await network.submit(network.operator(1), body, node=number)
    await network.until(lambda: all(node.api.height >= final.receipt.height for node in nodes))


def test_all_keys_of_a_validator_are_rotated_while_it_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            home, node = network.homes[0], network.nodes[0]
            old = home.load_key(KeyPurpose.VOTE).public
            keys = staged(home)
            await change(network, RotateKeys(validator=ValidatorId(0), keys=keys), home=home)
            await network.until(lambda: all(queries.era(each.chain.state)[0] == 1 for each in network.nodes))
            assert isinstance(node.loop.engine, Engine)
            assert home.load_key(KeyPurpose.VOTE).public == keys.vote_key != old
            assert not any(home.staged_key(purpose).exists() for purpose in SEAT_KEYS)
            await network.nodes[3].stop()  # so that the rotated one is needed
            await order(network, "a", network.nodes[:3])
            await node.stop()
            again = network.restart(0)
            assert isinstance(again.loop.engine, Engine)
            await order(network, "b", network.nodes[:3])

    asyncio.run(scenario())


def test_a_lost_vote_log_is_followed_by_a_rotation(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            await order(network, "a", network.nodes)
            home = network.homes[0]
            await network.nodes[0].stop()
            home.vote_log.unlink()
            node = network.restart(0)
            assert isinstance(node.loop.engine, Learner)
            keys = staged(home, vote_key_only=True)
            await change(network, RotateKeys(validator=ValidatorId(0), keys=keys), home=home)
            await network.until(lambda: isinstance(node.loop.engine, Engine))
            await network.nodes[3].stop()
            await order(network, "b", network.nodes[:3])

    asyncio.run(scenario())


def test_a_validator_that_slept_through_its_own_rotation_comes_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            home = network.homes[0]
            await network.nodes[0].stop()
            keys = staged(home)
            await change(network, RotateKeys(validator=ValidatorId(0), keys=keys), home=home)
            await network.until(lambda: all(queries.era(each.chain.state)[0] == 1 for each in network.nodes[1:]))
            for node in network.nodes[1:]:
                node._wires._linked.clock = lambda: float("inf")  # the time of old certificates is over
                node._wires.tick()
            node = network.restart(0)
            node._wires._alone_since = float("-inf")
            await network.until(lambda: isinstance(node.loop.engine, Engine) and node.era == 1)

    asyncio.run(scenario())


def forgetful(home: Home, *, kept: tuple[str, ...] = ()) -> None:
    """Lose a stopped node's data but for what is named, and the mark that its vote key was used."""
    for path in home.data.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    home.vote_key_used.unlink()


def test_a_wiped_home_without_a_mark_finds_its_old_votes_in_the_chain_and_votes_again_after_a_rotation(
    tmp_path: Path,
) -> None:
    """From genesis: its keys were put into a new home, and nobody has said that the vote key was used before."""

    async def scenario() -> None:
        async with running_network(tmp_path, settings=STEADY) as network:
            await network.nodes[3].stop()  # so that the first one's votes are in every certificate
            for name in ("a", "b", "c"):
                await order(network, name, network.nodes[:3])
            network.restart(3)
            home = network.homes[0]
            await network.nodes[0].stop()
            forgetful(home)
            with capture_logs() as written:
                node = network.restart(0)
                assert isinstance(node.loop.engine, Engine), "nothing tells it yet"
                await eventually(lambda: isinstance(node.loop.engine, Learner))
            (found,) = [line for line in written if line["event"] == "vote-log-incomplete"]
            assert (found["kind"], found["height"]) == ("COMMIT", 1)
            await eventually(lambda: [alarm.kind for alarm in node.api.alarms] == [AlarmKind.VOTE])
            (alarm,) = node.api.alarms
            assert alarm.level is AlarmLevel.CRITICAL
            assert "a rotation gives it a new one" in alarm.detail
            assert not home.vote_log.exists()
            await network.until(lambda: node.api.height == network.nodes[1].api.height)

            await node.stop()
            node = network.restart(0)
            assert isinstance(node.loop.engine, Learner), "it remembers"
            await rotated_and_needed(network, home, node)
            await eventually(lambda: not [*node.api.alarms])

    asyncio.run(scenario())


async def rotated_and_needed(network: InProcessNetwork, home: Home, node: Node) -> None:
    """Give a validator a new vote key, and let a block be ordered that needs its vote."""
    keys = staged(home, vote_key_only=True)
    await change(network, RotateKeys(validator=ValidatorId(0), keys=keys), home=home)
    await network.until(lambda: isinstance(node.loop.engine, Engine))
    await network.nodes[3].stop()
    await order(network, "needed", network.nodes[:3])


def test_a_home_restored_from_a_backup_follows_until_a_rotation_and_votes_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path, settings=STEADY) as network:
            await order(network, "a", network.nodes)
            home = network.homes[0]
            await network.nodes[0].stop()
            backup.create(home, tmp_path / "backup.tar", with_keys=True)
            await order(network, "b", network.nodes[1:])
            restored = Home(tmp_path / "restored")
            backup.restore(tmp_path / "backup.tar", restored, trusted=network.genesis)
            network.homes[0] = restored
            node = network.restart(0)
            assert isinstance(node.loop.engine, Learner)
            await rotated_and_needed(network, restored, node)
            await node.stop()
            assert isinstance(network.restart(0).loop.engine, Engine)

    asyncio.run(scenario())
