"""Blocks in flight: when another one is proposed, and what it may hold; and gossip, told once a turn."""

import asyncio

import pytest

from ledger.encoding import encode
from ledger.parameters import ChainParameters
from ledger.quantities import RoundNumber, TimeMs, ValidatorId
from ledger.transactions import Withdraw
from node.config import LimitsSection
from node.mempool import Mempool
from node.runtime import gossip
from node.runtime.application import ChainApplication
from node.runtime.gossip import Gossip
from node.runtime.wire import Duty, Transactions
from node.storage.chain_store import ChainStore
from node.storage.kv import MemoryStore
from tests.consortium import GENESIS_TIME, consortium
from tests.network import signed

MEMBERS = consortium(parameters=ChainParameters(block_transactions_max=3))
TIME = TimeMs(GENESIS_TIME + 1)
PROPOSER = ValidatorId(0)


def parts() -> tuple[ChainApplication, Mempool, ChainStore]:
    chain, mempool = ChainStore(MemoryStore(), MEMBERS.genesis), Mempool(LimitsSection())
    return ChainApplication(chain, mempool, MEMBERS.genesis.chain_id), mempool, chain


def fresh() -> bytes:
    body = Withdraw(task="t", round=RoundNumber(1))
    return encode(signed(MEMBERS.operators["org-00"], body, MEMBERS.genesis))


def test_a_block_follows_others_in_flight_once_it_is_as_large_as_they_are_together() -> None:
    application, _, chain = parts()
    tip = chain.head.header.digest
    assert not application.has_work(tip, TIME)
    worth = []
    sizes = []
    for _ in range(13):
        application.admit(fresh())
        worth.append(application.has_work(tip, TIME))
        if worth[-1]:
            block = application.prepare_proposal(tip, time=TIME, proposer=PROPOSER)
            tip = block.digest
            sizes.append(len(block.transactions))
    assert sizes == [1, 1, 2, 3, 3, 3], "a full block need not wait"
    assert worth[:4] == [True, True, False, True]


def test_what_blocks_in_flight_hold_is_not_proposed_again() -> None:
    application, _, chain = parts()
    raws = [fresh() for _ in range(6)]
    for raw in raws:
        application.admit(raw)
    first = application.prepare_proposal(chain.head.header.digest, time=TIME, proposer=PROPOSER)
    second = application.prepare_proposal(first.digest, time=TIME, proposer=PROPOSER)
    assert [*first.transactions, *second.transactions] == raws
    assert not application.has_work(second.digest, TIME)


def test_what_is_admitted_in_one_turn_leaves_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        application, mempool, _ = parts()
        said: list[Duty] = []
        told = Gossip(application=application, mempool=mempool, broadcast=said.append, poke=lambda: None)
        raws = [fresh() for _ in range(3)]
        for raw in (*raws, raws[0]):
            told.submit(raw)
        assert said == []
        await asyncio.sleep(0)
        assert said == [Transactions(raw=tuple(raws))]
        monkeypatch.setattr(gossip, "MESSAGE_BYTES", len(raws[0]) + 1)
        more = [fresh() for _ in range(3)]
        for raw in more:
            told.submit(raw)
        await asyncio.sleep(0)
        assert said[1:] == [Transactions(raw=tuple(more[:2])), Transactions(raw=tuple(more[2:]))]

    asyncio.run(scenario())
