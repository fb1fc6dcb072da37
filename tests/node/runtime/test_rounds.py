"""Rounds on a real network: held blobs, committee, attestations, fates; and who may read what."""

import asyncio
from pathlib import Path

import pytest

from aggregation.errors import UnknownBlob
from contracts import queries
from ledger.blobs import Fate, ReadRequest, SignedReadRequest
from ledger.encoding import encode
from ledger.entries import Accepted, Rejected
from ledger.errors import InputError, InvalidSignature, WrongChain
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Height, ModelVersion, RoundNumber
from ledger.records import RoundStatus
from node.errors import NotAuthorised
from node.runtime.node import Node
from node.storage.errors import BlobMismatch, BlobNotFound
from tests.consortium import signing_key
from tests.network import InProcessNetwork, running_network, ticket
from tests.node.runtime.sites import TASK, open_task


def decided(node: Node, number: int) -> bool:
    record = queries.round_record(node.chain.state, TASK, RoundNumber(number))
    return record is not None and record.status is RoundStatus.DECIDED


def read(network: InProcessNetwork, key: SigningKey, blob: Digest, *, node: int = 0) -> bytes:
    request = ReadRequest(chain_id=network.genesis.chain_id, author=key.public, blob=blob, expires=Height(5_000))
    file, size = network.nodes[node].api.open_blob(SignedReadRequest.sign(request, key))
    with file:
        data = file.read()
    assert len(data) == size
    return data


def test_two_rounds_with_an_absentee_make_two_global_models(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path, trainers=1) as network:
            sites = await open_task(network, rounds=2, deadline_ms=8_000)
            for number, present in ((1, (0, 1, 2, 3, 4)), (2, (1, 2, 3, 4))):
                state = network.nodes[0].chain.state
                await network.until(
                    lambda number=number, state=state: (  # type: ignore[misc]
                        queries.round_record(state, TASK, RoundNumber(number)) is not None
                    )
                )
                verdicts = await asyncio.gather(*(sites.take_part(site, number, node=site % 4) for site in present))
                assert all(isinstance(verdict, Accepted) for verdict in verdicts)
                await network.until(lambda number=number: all(decided(node, number) for node in network.nodes))  # type: ignore[misc]
            state = network.nodes[3].chain.state
            fates = {who: item.fate for who, item in queries.participations(state, TASK, RoundNumber(2)).items()}
            assert fates[sites.numbers[0]] is Fate.ABSENT
            assert sorted(fate for fate in fates.values() if fate) == [Fate.USED] * 4 + [Fate.ABSENT]
            model = queries.model(state, TASK, ModelVersion(2))
            assert model is not None
            assert len(model.attesters) >= 2
            for node in range(4):
                await network.nodes[node]._blobs.obtain(model.model)  # one that is slow may not have it yet
                assert sha256(read(network, sites.keys[0], model.view, node=node)) == model.view
                assert sha256(read(network, sites.keys[0], model.model, node=node)) == model.model

    asyncio.run(scenario())


def test_updates_are_read_by_validators_until_the_close_and_by_operators_after(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            sites = await open_task(network, rounds=1)
            await asyncio.gather(*(sites.take_part(site, 1) for site in range(3)))
            blob = sha256(sites.update(0, 1))
            for key in (sites.keys[1], network.operator(1)):
                with pytest.raises(NotAuthorised):
                    read(network, key, blob)
            assert read(network, network.nodes[1].member.service_key, blob) == sites.update(0, 1)
            await sites.take_part(3, 1)
            await network.until(lambda: decided(network.nodes[0], 1))
            assert read(network, network.operator(1), blob) == sites.update(0, 1)
            with pytest.raises(NotAuthorised, match="participant"):
                read(network, sites.keys[1], blob)

    asyncio.run(scenario())


def test_a_validator_that_was_away_gets_the_blobs_it_missed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            sites = await open_task(network, rounds=1)
            await network.nodes[3].stop()
            for site in range(4):
                await sites.take_part(site, 1, node=site % 3)
            await network.until(lambda: decided(network.nodes[0], 1))
            node = network.restart(3)
            await network.until(lambda: decided(node, 1))
            await node._blobs.obtain(sha256(sites.update(0, 1)))
            assert node.api.has_blob(sha256(sites.update(0, 1)))

    asyncio.run(scenario())


def test_an_update_over_the_norm_bound_is_refused_with_its_rule(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            sites = await open_task(network, rounds=1)
            verdict = await sites.take_part(0, 1)
            assert isinstance(verdict, Accepted)
            again = await sites.take_part(0, 1)
            assert isinstance(again, Rejected)
            assert again.rule == "U7"

    asyncio.run(scenario())


def test_bad_uploads_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            api, operator = network.nodes[0].api, network.operator(0)
            unknown = ticket(operator, b"neither this nor that", network.genesis)
            incoming = api.begin_upload(unknown)
            incoming.write(b"neither this nor that")
            with pytest.raises(UnknownBlob):
                await api.finish_upload(unknown, incoming)
            assert not api.has_blob(unknown.ticket.blob)
            other = ticket(operator, b"announced", network.genesis)
            incoming = api.begin_upload(other)
            incoming.write(b"delivered")
            with pytest.raises(BlobMismatch):
                await api.finish_upload(other, incoming)
            assert not api.has_blob(other.ticket.blob)

    asyncio.run(scenario())


def test_tickets_and_requests_of_strangers_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            api, operator, stranger = network.nodes[0].api, network.operator(0), signing_key("stranger")
            with pytest.raises(NotAuthorised, match="a key on chain"):
                api.begin_upload(ticket(stranger, b"x", network.genesis))
            good = ticket(operator, b"x", network.genesis)
            forged = type(good)(ticket=good.ticket, signature=ticket(stranger, b"x", network.genesis).signature)
            with pytest.raises(InvalidSignature):
                api.begin_upload(forged)
            with pytest.raises(NotAuthorised, match="a key on chain"):
                read(network, stranger, sha256(b"x"))
            with pytest.raises(BlobNotFound):
                read(network, operator, sha256(b"x"))
            request = ReadRequest(
                chain_id=sha256(b"other"), author=operator.public, blob=sha256(b"x"), expires=Height(5)
            )
            with pytest.raises(WrongChain):
                api.open_blob(SignedReadRequest.sign(request, operator))
            late = ReadRequest(
                chain_id=network.genesis.chain_id, author=operator.public, blob=sha256(b"x"), expires=Height(10**6)
            )
            with pytest.raises(InputError, match="expiry"):
                api.open_blob(SignedReadRequest.sign(late, operator))
            assert encode(good) != encode(forged)

    asyncio.run(scenario())
