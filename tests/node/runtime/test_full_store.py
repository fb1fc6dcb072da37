"""A validator whose blob store is full: it takes no blob more, says so, and follows the chain as before."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts import queries
from ledger.entries import Accepted
from ledger.hashing import sha256
from ledger.quantities import RoundNumber
from ledger.records import RoundStatus
from ledger.transactions import EnrolParticipant
from node.runtime.node import Node
from node.storage.errors import StorageFull
from tests.consortium import signing_key
from tests.network import InProcessNetwork, running_network, ticket
from tests.node.runtime.sites import TASK, Sites, open_task

FULL = 3
"""Number of the validator whose store is full."""


def is_decided(node: Node) -> bool:
    record = queries.round_record(node.chain.state, TASK, RoundNumber(1))
    return record is not None and record.status is RoundStatus.DECIDED


async def let_be_full(network: InProcessNetwork, sites: Sites) -> int:
    """Restart a validator with no more room than the task's blobs take; return its bytes."""
    for digest in (sites.layout, sites.model):
        await network.nodes[FULL]._blobs.obtain(digest)
    size = network.nodes[FULL].api.status().blob_bytes
    await network.nodes[FULL].stop()
    with network.homes[FULL].configuration.open("a") as file:
        file.write(f"\n[limits]\nblob_bytes_max = {size}\nauthor_bytes_max = {size}\nstorage_bytes_max = {size}\n")
    network.restart(FULL)
    return size


def test_a_validator_without_room_refuses_blobs_and_follows_the_chain(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_network(tmp_path) as network:
            sites = await open_task(network, rounds=1)
            size = await let_be_full(network, sites)
            node = network.nodes[FULL]
            with capture_logs() as written:
                verdicts = await asyncio.gather(*(sites.take_part(site, 1, node=site % 3) for site in range(4)))
                assert all(isinstance(verdict, Accepted) for verdict in verdicts)
                await network.until(lambda: all(is_decided(each) for each in network.nodes))
            assert "storage-full" in {line["code"] for line in written if line["event"] == "duty-failed"}
            assert {line["log_level"] for line in written} <= {"debug", "info", "warning"}
            assert node.api.status().blob_bytes == size
            with pytest.raises(StorageFull, match=f"room for blobs: expected 3 bytes, got 0 of {size}"):
                node.api.begin_upload(ticket(network.operator(FULL), b"new", network.genesis))
            body = EnrolParticipant(organisation="org-3", name="later", key=signing_key("later").public)
            final = await network.submit(network.operator(FULL), body, node=FULL)
            assert isinstance(final.receipt.verdict, Accepted)
            assert not node.ending.is_set()
            assert not node.api.has_blob(sha256(sites.update(0, 1)))

    asyncio.run(scenario())
