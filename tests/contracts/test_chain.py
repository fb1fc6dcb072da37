"""Proposing and replaying blocks: one and the same result, and every lie in a header is named."""

import pytest
from msgspec.structs import replace

from contracts.chain import ExecutedBlock, Tip, genesis_block, genesis_tip, propose, replay
from contracts.validity import PlainReader
from ledger import merkle, state_keys, state_tree
from ledger.blocks import Block, BlockHeader
from ledger.encoding import encode
from ledger.errors import InvalidBlock, InvalidSignature, MalformedEncoding
from ledger.keys import Signature
from ledger.merkle import Frontier
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs, ValidatorId
from ledger.state import MemoryState
from ledger.transactions import EnrolParticipant, SignedTransaction, decode_transaction
from tests.consortium import GENESIS_TIME, signing_key
from tests.contracts.driver import Chain, verdicts
from tests.contracts.training import Training

BODY = EnrolParticipant(organisation="org-00", name="ward", key=signing_key("ward").public)
TIME = TimeMs(GENESIS_TIME + 5)


@pytest.fixture
def chain() -> Chain:
    return Chain()


def proposed(chain: Chain, *raws: bytes) -> ExecutedBlock:
    return propose(chain.tip, time=TIME, proposer=ValidatorId(2), candidates=raws)


def test_genesis_gives_the_first_tip(chain: Chain) -> None:
    genesis = chain.members.genesis
    tip, executed = genesis_tip(genesis), genesis_block(genesis)
    assert tip.header == genesis.block.header
    assert executed.block == genesis.block
    assert state_tree.root(tip.tree) == tip.header.state_root
    assert (executed.entries, executed.log_nodes, executed.frontier) == ((), (), Frontier())
    assert dict(tip.state.scan(b"")) == executed.state_writes == genesis.state


def test_a_header_commits_to_everything_in_the_block(chain: Chain) -> None:
    raw = chain.sign(chain.operator, BODY)
    executed = proposed(chain, raw)
    header = executed.block.header
    assert (header.protocol, header.chain_id, header.era, header.height) == (1, chain.chain_id, 0, 1)
    assert (header.parent, header.time, header.proposer) == (chain.members.genesis.block.digest, TIME, 2)
    assert header.transactions_root == merkle.root([raw])
    assert header.receipts_root == merkle.root(encode(entry.receipt) for entry in executed.entries)
    assert (header.log_size, header.log_root) == (1, merkle.root(encode(entry) for entry in executed.entries))
    assert header.validators == header.next_validators == chain.members.genesis.validators.digest


def test_the_state_root_is_that_of_the_state_after_the_block(chain: Chain) -> None:
    executed = proposed(chain, chain.sign(chain.operator, BODY))
    state = MemoryState(chain.members.genesis.state)
    state.apply(executed.state_writes)
    root, _ = state_tree.update(lambda _: None, state.values)
    assert executed.block.header.state_root == root


def test_proposing_changes_nothing(chain: Chain) -> None:
    before = dict(chain.state.values)
    proposed(chain, chain.sign(chain.operator, BODY))
    assert chain.state.values == before


def test_an_empty_block_changes_no_state(chain: Chain) -> None:
    executed = proposed(chain)
    assert executed.entries == ()
    assert executed.state_writes == {}
    assert executed.block.header.state_root == chain.tip.header.state_root


def test_the_log_grows_by_the_blocks_entries() -> None:
    chain = Training()
    assert chain.tip.frontier.size == 7
    executed = chain.block(chain.sign(chain.operator, BODY))
    nodes = {(level, index): root for level, index, root in executed.log_nodes}
    assert sorted(nodes) == [(0, 7), (1, 3), (2, 1), (3, 0)]
    assert nodes[0, 7] == executed.entries[0].leaf
    assert nodes[3, 0] == executed.block.header.log_root
    assert executed.frontier.size == 8


def test_a_tip_reads_through_to_its_parent(chain: Chain) -> None:
    first = proposed(chain, chain.sign(chain.operator, BODY))
    tip = first.tip(chain.tip)
    second = propose(tip, time=TIME, proposer=ValidatorId(0), candidates=[chain.sign(signing_key("ward"), BODY)])
    chain.append(first)
    stored = replay(chain.tip, second.block)
    assert stored.block == second.block
    later = second.tip(tip)
    chain.append(stored)
    assert dict(later.state.scan(b"")) == chain.state.values
    assert state_tree.root(later.tree) == chain.tip.header.state_root
    assert (later.header, later.frontier) == (chain.tip.header, chain.tip.frontier)


def test_tips_on_tips_forget_what_was_deleted_below(chain: Chain) -> None:
    tip = chain.tip
    for height in range(1, 12):
        raws = [chain.sign(chain.operator, BODY, valid_until=height) for _ in range(3)]
        executed = propose(tip, time=TIME, proposer=ValidatorId(0), candidates=raws)
        tip = executed.tip(tip)
        root, _ = state_tree.update(lambda _: None, dict(tip.state.scan(b"")))
        assert tip.header.state_root == root


def test_a_tip_refuses_another_parent(chain: Chain) -> None:
    first = proposed(chain)
    second = propose(first.tip(chain.tip), time=TIME, proposer=ValidatorId(0), candidates=[])
    with pytest.raises(AssertionError):
        second.tip(chain.tip)


def test_the_proposer_skips_what_is_invalid(chain: Chain) -> None:
    good = [chain.sign(chain.operator, BODY) for _ in range(2)]
    stranger = chain.sign(signing_key("stranger"), BODY)
    executed = proposed(chain, b"", good[0], stranger, good[0], good[1])
    assert executed.block.transactions == tuple(good)


def test_the_proposer_takes_what_fits() -> None:
    chain = Chain(parameters=ChainParameters(sender_transactions_max=1, block_transactions_max=2))
    raws = [chain.sign(key, BODY) for key in chain.members.operators.values() for _ in range(2)]
    assert proposed(chain, *raws).block.transactions == (raws[0], raws[2])


def test_the_proposer_asks_for_no_candidate_beyond_a_full_block() -> None:
    chain = Chain(parameters=ChainParameters(block_transactions_max=1))
    candidates = iter([chain.sign(chain.operator, BODY) for _ in range(3)])
    executed = propose(chain.tip, time=TIME, proposer=ValidatorId(0), candidates=candidates)
    assert len(executed.block.transactions) == 1
    assert len(list(candidates)) == 1


def test_the_proposer_may_not_turn_back_the_clock(chain: Chain) -> None:
    with pytest.raises(AssertionError):
        propose(chain.tip, time=TimeMs(GENESIS_TIME - 1), proposer=ValidatorId(0), candidates=[])


def test_replay_gives_what_the_proposer_got(chain: Chain) -> None:
    executed = proposed(chain, chain.sign(chain.operator, BODY), chain.sign(chain.operator, BODY))
    assert replay(chain.tip, executed.block) == executed


LIES = {
    "protocol": 2,
    "chain_id": bytes(32),
    "era": 1,
    "height": 2,
    "parent": bytes(32),
    "time": GENESIS_TIME - 1,
    "proposer": 4,
    "transactions_root": bytes(32),
    "receipts_root": bytes(32),
    "state_root": bytes(32),
    "log_size": 2,
    "log_root": bytes(32),
    "validators": bytes(32),
    "next_validators": bytes(32),
}


@pytest.mark.parametrize("field", BlockHeader.__struct_fields__)
def test_replay_names_the_header_field_that_lies(chain: Chain, field: str) -> None:
    executed = proposed(chain, chain.sign(chain.operator, BODY))
    header = replace(executed.block.header, **{field: LIES[field]})
    with pytest.raises(InvalidBlock, match=rf"{field} (in header|of block) \d+: expected .*, got "):
        replay(chain.tip, replace(executed.block, header=header))


def test_replay_accepts_the_parents_time(chain: Chain) -> None:
    executed = propose(chain.tip, time=GENESIS_TIME, proposer=ValidatorId(0), candidates=[])
    assert replay(chain.tip, executed.block) == executed


def test_replay_misses_a_transaction_that_the_header_names(chain: Chain) -> None:
    executed = proposed(chain, chain.sign(chain.operator, BODY))
    with pytest.raises(InvalidBlock, match="transactions_root"):
        replay(chain.tip, replace(executed.block, transactions=()))


def with_transactions(block: Block, *raws: bytes) -> Block:
    header = replace(block.header, transactions_root=merkle.root(raws))
    return Block(header=header, transactions=raws)


def test_one_invalid_transaction_makes_a_block_invalid(chain: Chain) -> None:
    good = chain.sign(chain.operator, BODY)
    block = with_transactions(proposed(chain, good).block, good, chain.sign(signing_key("stranger"), BODY))
    with pytest.raises(InvalidBlock, match=r"transaction 1 of the block is invalid \(author: expected"):
        replay(chain.tip, block)


def test_a_forged_signature_makes_a_block_invalid(chain: Chain) -> None:
    signed = decode_transaction(chain.sign(chain.operator, BODY))
    forged = encode(replace(signed, signature=Signature(bytes(64))))
    with pytest.raises(InvalidBlock, match="transaction 0"):
        replay(chain.tip, with_transactions(proposed(chain).block, forged))


def test_malformed_bytes_make_a_block_invalid(chain: Chain) -> None:
    with pytest.raises(InvalidBlock, match="transaction 0"):
        replay(chain.tip, with_transactions(proposed(chain).block, b"\xc1"))


def test_more_transactions_than_a_block_may_hold_make_it_invalid() -> None:
    chain = Chain(parameters=ChainParameters(block_transactions_max=1))
    raws = [chain.sign(chain.operator, BODY) for _ in range(2)]
    with pytest.raises(InvalidBlock, match="transactions in the block"):
        replay(chain.tip, with_transactions(proposed(chain, raws[0]).block, *raws))


def test_signatures_are_left_to_the_callers_check(chain: Chain) -> None:
    class Strict(PlainReader):
        def verify(self, _raw: bytes, signed: SignedTransaction) -> None:
            raise InvalidSignature(signed.transaction.author.hex())

    refuse = Strict(chain.chain_id)

    raw = chain.sign(chain.operator, BODY)
    executed = propose(chain.tip, time=TIME, proposer=ValidatorId(0), candidates=[raw], reader=refuse)
    assert executed.block.transactions == ()
    with pytest.raises(InvalidBlock):
        replay(chain.tip, proposed(chain, raw).block, refuse)


def test_a_failure_is_not_a_verdict(chain: Chain) -> None:
    class Broken(MemoryState):
        def get(self, key: bytes) -> bytes | None:
            if key.startswith(b"participant-name/"):
                raise RuntimeError("disk")
            return super().get(key)

    tip = chain.tip
    broken = Tip(header=tip.header, frontier=tip.frontier, state=Broken(chain.state.values), tree=tip.tree)
    raw = chain.sign(chain.operator, BODY)
    with pytest.raises(RuntimeError, match="disk"):
        propose(broken, time=TIME, proposer=ValidatorId(0), candidates=[raw])
    with pytest.raises(RuntimeError, match="disk"):
        replay(broken, proposed(chain, raw).block)


def test_corrupted_state_is_not_the_blocks_fault(chain: Chain) -> None:
    executed = proposed(chain, chain.sign(chain.operator, BODY))
    chain.state.values[state_keys.PARTICIPANTS_COUNT] = b"\xc1"
    with pytest.raises(MalformedEncoding):
        replay(chain.tip, executed.block)


def test_a_refused_transaction_stands_in_the_block_with_its_receipt(chain: Chain) -> None:
    raws = [chain.sign(chain.operator, BODY) for _ in range(3)]
    executed = proposed(chain, *raws)
    assert [entry.receipt.position for entry in executed.entries] == [0, 1, 2]
    assert [type(verdict).__name__ for verdict in verdicts(executed)] == ["Accepted", "Rejected", "Rejected"]
