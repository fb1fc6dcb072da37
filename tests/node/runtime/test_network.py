"""Four real validators in one event loop: transactions, view changes, catch-up, restarts."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consensus.errors import ProtocolViolation
from consensus.learner import Learner
from ledger.encoding import encode
from ledger.entries import Accepted
from ledger.light_client import LightClient
from ledger.quantities import Height, ValidatorId
from ledger.transactions import EnrolParticipant
from node.runtime.node import Node
from node.storage.errors import HomeInUse
from tests.consortium import signing_key
from tests.network import STEADY, WAIT_SECONDS, InProcessNetwork, make_homes, running_network, signed


def enrolment(name: str, *, organisation: str = "org-0") -> EnrolParticipant:
    return EnrolParticipant(organisation=organisation, name=name, key=signing_key(name).public)


async def enrol(network: InProcessNetwork, name: str, *, node: int = 0) -> None:
    final = await network.submit(network.operator(0), enrolment(name), node=node)
    assert isinstance(final.receipt.verdict, Accepted)


def header_digests(node: Node, height: int) -> list[str]:
    headers = [node.chain.header(Height(place)) for place in range(height + 1)]
    return [header.digest.hex() for header in headers if header is not None]


def primary(network: InProcessNetwork) -> int:
    return network.nodes[0].loop.engine.primary


def signers_of(node: Node, height: int) -> list[int]:
    certificate = node.chain.certificate(Height(height))
    assert certificate is not None
    return [proof.validator for proof in certificate.commits]


def test_a_transaction_is_final_everywhere_and_its_proof_needs_genesis_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            final = await network.submit(network.operator(0), enrolment("a"), node=2)
            await network.until(lambda: all(node.api.height == 1 for node in network.nodes))
            assert len({tuple(header_digests(node, 1)) for node in network.nodes}) == 1
            for node in network.nodes:
                entry = LightClient(network.genesis).verify_entry(node.api.entry_proof(final))
                assert entry.receipt == final.receipt

    asyncio.run(scenario())


def test_the_same_bytes_again_get_the_same_receipt(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            raw = encode(signed(network.operator(0), enrolment("a"), network.genesis))
            receipts = []
            for node in (0, 1, 1):
                identity = network.nodes[node].api.submit(raw)
                final = await network.nodes[node].api.wait_final(identity, 60)
                assert final is not None
                receipts.append(final.receipt)
            assert receipts[0] == receipts[1] == receipts[2]
            assert network.nodes[0].api.height == 1

    asyncio.run(scenario())


def test_without_the_primary_the_others_change_view_and_it_catches_up_and_votes_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            await enrol(network, "a")
            lost = primary(network)
            await network.nodes[lost].stop()
            for number in range(3):
                await enrol(network, f"b{number}", node=(lost + 1) % 4)
            node = network.restart(lost)
            await network.until(lambda: node.api.height >= 4)
            view = network.nodes[(lost + 1) % 4].loop.engine.view
            assert view >= 1
            for number in range(8):
                await enrol(network, f"c{number}", node=lost)
                if lost in signers_of(node, node.api.height):
                    break
            assert lost in signers_of(node, node.api.height)
            height = node.api.height
            assert header_digests(node, height) == header_digests(network.nodes[(lost + 1) % 4], height)

    asyncio.run(scenario())


def test_all_validators_stopped_at_once_go_on_from_where_they_were(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            await enrol(network, "a")
            await network.until(lambda: all(node.api.height == 1 for node in network.nodes))
            for node in network.nodes:
                await node.stop()
            for number in range(4):
                network.restart(number)
            await enrol(network, "b", node=3)
            assert network.nodes[3].api.height == 2

    asyncio.run(scenario())


def test_a_home_runs_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            with pytest.raises(HomeInUse):
                network.start(network.homes[0])

    asyncio.run(scenario())


def test_a_vote_key_whose_log_is_gone_never_votes_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            await enrol(network, "a")
            await network.nodes[0].stop()
            network.homes[0].vote_log.unlink()
            enrolled = network.nodes[1].api.height
            network.restart(0)
            assert isinstance(network.nodes[0].loop.engine, Learner)
            await network.submit(network.operator(1), enrolment("b", organisation="org-1"), node=1)
            await network.until(lambda: network.nodes[0].api.height > enrolled)
            assert not network.homes[0].vote_log.exists()

    asyncio.run(scenario())


def test_not_even_with_the_whole_data_folder_gone(tmp_path: Path) -> None:
    async def scenario() -> None:
        homes = make_homes(tmp_path)
        network = InProcessNetwork(homes=homes)
        node = network.start(homes[0])
        await node.stop()
        homes[0].data.rename(tmp_path / "elsewhere")
        node = network.start(homes[0])
        assert isinstance(node.loop.engine, Learner)
        assert not homes[0].vote_log.exists()
        await node.stop()

    asyncio.run(scenario())


def test_garbage_of_a_peer_is_counted_and_harms_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            await enrol(network, "a")
            seen: asyncio.Queue[ProtocolViolation] = asyncio.Queue()
            network.nodes[1].on_violation(seen.put_nowait)
            for garbage in (b"", b"\x00" * 100, encode([1, 2, 3])):
                network.nodes[0]._wires.links.send(ValidatorId(1), garbage)
                error = await asyncio.wait_for(seen.get(), WAIT_SECONDS)
                assert error.sender == network.nodes[0].member.validator
            await enrol(network, "b", node=1)
            assert network.nodes[1].exit_code == 0

    asyncio.run(scenario())


def test_each_transaction_is_one_log_line_with_height_view_and_verdict(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path, settings=STEADY) as network:
            with capture_logs() as written:
                raw = encode(signed(network.operator(0), enrolment("a"), network.genesis))
                identity = network.nodes[0].api.submit(raw)
                assert await network.nodes[0].api.wait_final(identity, WAIT_SECONDS) is not None
                await network.submit(network.operator(1), enrolment("a"))
            lines = [line for line in written if line["event"] == "transaction" and line["height"] == 1]
            assert lines[0] == {
                "event": "transaction",
                "log_level": "info",
                "transaction": identity.hex(),
                "body": "EnrolParticipant",
                "verdict": "accepted",
                "height": 1,
                "view": 0,
            }
            refused = [line["verdict"] for line in written if line["event"] == "transaction" and line["height"] == 2]
            assert set(refused) == {"P2"}

    asyncio.run(scenario())


def test_whoever_waits_for_a_transaction_that_expires_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            node = network.nodes[(primary(network) + 1) % 4]
            monkeypatch.setattr(node._gossip, "_broadcast", lambda _: None)
            lonely = signed(network.operator(0), enrolment("lonely"), network.genesis, valid_until=1)
            waiting = asyncio.create_task(node.api.wait_final(node.api.submit(encode(lonely)), 10**6))
            await enrol(network, "a", node=primary(network))
            assert await asyncio.wait_for(waiting, WAIT_SECONDS) is None

    asyncio.run(scenario())
