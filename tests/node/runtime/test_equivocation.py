"""From two signatures to the chain: one node hears a contradiction, and every node has it on record, once."""

import asyncio
from pathlib import Path

from consensus.messages import Votes
from contracts import queries
from ledger.evidence import OffenceKind
from ledger.hashing import sha256
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind
from node.keystore import KeyPurpose
from node.runtime.node import Node
from tests.network import running_network

LIAR = ValidatorId(3)


def test_a_contradiction_that_one_node_hears_is_on_record_everywhere_once(tmp_path: Path) -> None:
    asyncio.run(hear_and_record(tmp_path))


async def hear_and_record(tmp_path: Path) -> None:
    async with running_network(tmp_path) as network:
        key = network.homes[LIAR].load_key(KeyPurpose.VOTE)
        for node in network.nodes[:2]:
            height = Height(node.chain.head.header.height + 1)
            votes = tuple(
                Vote(kind=VoteKind.COMMIT, era=Era(0), view=View(0), height=height, digest=sha256(name))
                for name in (b"a", b"b")
            )
            bundle = VoteBundle.sign(votes, validator=LIAR, key=key, chain_id=network.genesis.chain_id)
            node.loop.receive(LIAR, Votes(bundle=bundle))
        others = network.nodes[:LIAR]  # the liar itself stops: somebody else signs with its key
        await network.until(lambda: all(convicted(node) for node in others))
        recorded = [list(queries.offences(node.chain.state)) for node in others]
        assert all(records == recorded[0] for records in recorded)
        assert len(recorded[0]) == 1
        assert LIAR in network.nodes[0].validators


def convicted(node: Node) -> bool:
    """Return whether a node's chain has the liar's offence."""
    return any(
        (record.offence.offender, record.offence.kind) == (LIAR, OffenceKind.COMMIT)
        for record in queries.offences(node.chain.state)
    )
