"""The normal case at one replica: what it votes for, what it refuses, and what it waits for."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus.errors import ProtocolViolation
from consensus.messages import Blocks, FetchBlocks, FetchBody, Finality, Message, Proposal, Status, Votes
from ledger.blocks import Block
from ledger.hashing import sha256
from ledger.quantities import Era, Height, TimeMs, View
from ledger.votes import VoteKind
from tests.consensus.bench import DRIFT_MS, Bench
from tests.consensus.forge import Forge
from tests.simulation.chain import EPOCH_MS
from tests.simulation.toy import build_header

FORGE = Forge()
WIDE = Forge(window=4)
A, B, C = FORGE.chain(3)
OTHER = FORGE.block(FORGE.genesis, b"other")
PRIMARY = FORGE.primary(0)


def heights(bench: Bench, kind: VoteKind) -> list[int]:
    return [vote.height for vote in bench.votes(kind)]


def test_a_proposal_is_prepared_committed_and_appended() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    assert heights(bench, VoteKind.PREPARE) == [1]
    assert not bench.votes(VoteKind.COMMIT)
    bench.prepare_by([2], A)
    assert heights(bench, VoteKind.COMMIT) == [1]
    bench.commit_by([1, 2], A)
    assert bench.chain[0].block == A


def test_the_order_of_messages_does_not_matter() -> None:
    messages: list[tuple[int, Message]] = [
        (1, Proposal(block=A)),
        (1, FORGE.pre_prepare(A.header)),
        (2, FORGE.prepare(2, A.header)),
        (1, FORGE.commit(1, A.header)),
        (2, FORGE.commit(2, A.header)),
    ]
    for order in permutations(messages):
        bench = Bench(FORGE, 0)
        for sender, message in order:
            bench.receive(sender, message)
        assert bench.height == 1
        assert heights(bench, VoteKind.COMMIT) == [1]


def test_every_message_may_come_again() -> None:
    bench = Bench(FORGE, 0)
    for _ in range(3):
        bench.propose(A)
        bench.prepare_by([2], A)
        bench.commit_by([1, 2], A)
    assert bench.height == 1
    assert len(bench.of_kind(Votes)) == 2


def test_votes_and_bodies_that_come_a_little_early_wait() -> None:
    """Whoever appends first goes on at once; the others must not need a second telling."""
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.propose(B)
    bench.prepare_by([2], B)
    assert heights(bench, VoteKind.PREPARE) == [1]
    bench.prepare_by([2], A)
    bench.commit_by([1, 2], A)
    assert heights(bench, VoteKind.PREPARE) == [1, 2]
    assert heights(bench, VoteKind.COMMIT) == [1, 2]


def test_the_primary_proposes_what_is_waiting_and_one_block_at_a_time() -> None:
    bench = Bench(FORGE, PRIMARY)
    for number in range(9):
        bench.submit(f"item {number}".encode())
    assert heights(bench, VoteKind.PRE_PREPARE) == [1]
    (body,) = bench.of_kind(Proposal)
    bench.prepare_by([0, 2], body.block)
    bench.commit_by([0, 2], body.block)
    assert heights(bench, VoteKind.PRE_PREPARE) == [1, 2]


def test_an_idle_primary_proposes_nothing() -> None:
    bench = Bench(FORGE, PRIMARY)
    for _ in range(9):
        bench.tick(1.0)
    assert not bench.of_kind(Votes)


def test_the_primary_never_moves_time_back() -> None:
    bench = Bench(FORGE, PRIMARY, skew_ms=-60_000)
    bench.submit(b"item")
    (body,) = bench.of_kind(Proposal)
    assert body.block.header.time == FORGE.genesis.time


WRONG = {
    "parent": FORGE.block(OTHER.header, b"x"),
    "height": FORGE.block(A.header, b"x"),
    "proposer": FORGE.block(FORGE.genesis, b"x", proposer=2),
    "roots": replace(A, header=replace(A.header, state_root=sha256(b"another"))),
    "time before the parent's": FORGE.block(FORGE.genesis, b"x", delay_ms=-1),
    "era": replace(A, header=replace(A.header, era=Era(1))),
    "validators": replace(A, header=replace(A.header, validators=sha256(b"another set"))),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_fresh_block_with_a_wrong_place_or_content_is_not_voted_for(what: str) -> None:
    bench = Bench(FORGE, 0)
    block = WRONG[what]
    vote = replace(FORGE.vote(VoteKind.PRE_PREPARE, block.header), height=Height(1), era=Era(0))
    bench.receive(PRIMARY, Proposal(block=block), FORGE.votes(PRIMARY, vote))
    assert not bench.of_kind(Votes)


def test_a_refused_proposal_is_refused_once_in_a_view() -> None:
    bench = Bench(FORGE, 0)
    for _ in range(3):
        bench.propose(WRONG["roots"])
        bench.tick(0.1)
    assert bench.events.count("proposal-refused") == 1


def test_a_replica_that_refuses_a_proposal_still_appends_it_when_it_is_certified_elsewhere_and_executes() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(PRIMARY, Proposal(block=WRONG["proposer"]), FORGE.pre_prepare(WRONG["proposer"].header))
    assert bench.engine._replica.refused
    bench.receive(2, Finality(certificate=FORGE.certificate(WRONG["proposer"].header, 1)))
    assert bench.height == 1
    assert not bench.engine._replica.refused


def ahead(milliseconds: int) -> Block:
    """Return a block whose time is so far ahead of the clock at the start of a run."""
    header = build_header(FORGE.genesis, [b"x"], time=TimeMs(EPOCH_MS + milliseconds), proposer=PRIMARY)
    return Block(header=header, transactions=(b"x",))


@pytest.mark.parametrize("skew_ms", [-DRIFT_MS, -1, 0, 1, DRIFT_MS])
def test_a_clock_may_be_off_by_the_drift(skew_ms: int) -> None:
    bench = Bench(FORGE, 0, skew_ms=skew_ms)
    bench.propose(ahead(skew_ms + DRIFT_MS))
    assert heights(bench, VoteKind.PREPARE) == [1]


def test_a_block_of_the_future_waits_for_the_clock() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(ahead(DRIFT_MS + 400))
    assert not bench.of_kind(Votes)
    bench.tick(0.3)
    assert not bench.of_kind(Votes)
    bench.tick(0.3)
    assert heights(bench, VoteKind.PREPARE) == [1]


def test_the_parents_time_may_be_far_ahead_of_the_own_clock() -> None:
    bench = Bench(FORGE, 0, skew_ms=-10 * DRIFT_MS)
    bench.receive(PRIMARY, Proposal(block=A))
    bench.receive(2, Finality(certificate=FORGE.certificate(A.header)))
    bench.propose(FORGE.block(A.header, b"x", delay_ms=0))
    assert heights(bench, VoteKind.PREPARE) == [2]


def test_what_can_be_appended_is_appended_while_a_higher_body_is_missing() -> None:
    bench = Bench(WIDE, 0)
    a, b, _, _ = WIDE.chain(4)
    bench.propose(a)
    bench.receive(3, Finality(certificate=WIDE.certificate(b.header)))
    assert bench.of_kind(FetchBody) == [FetchBody(digest=b.digest)]
    bench.commit_by([1, 2, 3], a)
    assert bench.height == 1


def test_a_certificate_finalises_all_ancestors() -> None:
    bench = Bench(WIDE, 0)
    chain = WIDE.chain(3)
    bench.receive(1, *(Proposal(block=block) for block in chain))
    bench.receive(3, Finality(certificate=WIDE.certificate(chain[2].header, 5)))
    assert [certified.certificate is not None for certified in bench.chain] == [False, False, True]
    assert bench.engine._replica.certificate is None, "nothing is left to be fetched"


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_each_block_of_a_batch_gets_the_certificate_that_the_votes_here_make(data: st.DataObject) -> None:
    """A checkpoint within a batch needs one of its own; no block gets one of two views or for another block."""
    bench = Bench(WIDE, 0)
    chain = WIDE.chain(4)
    other = WIDE.block(WIDE.genesis, b"other")
    cast = data.draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 1), st.integers(0, 2)), max_size=18))
    expected: dict[tuple[int, int], set[int]] = {}
    first: set[tuple[int, int, int]] = set()
    for who, view, place in cast:
        header = other.header if place == 0 and data.draw(st.booleans()) else chain[place].header
        bench.receive(who, WIDE.commit(who, header, view))
        if (who, view, place) not in first and header == chain[place].header:
            expected.setdefault((view, place), set()).add(who)
        first.add((who, view, place))
    bench.receive(1, *(Proposal(block=block) for block in chain[1:]))
    bench.receive(3, Finality(certificate=WIDE.certificate(chain[3].header, 5)))
    assert bench.height == 0
    bench.receive(1, Proposal(block=chain[0]))
    assert [certified.block for certified in bench.chain] == chain
    certified_here = {place for (_, place), voters in expected.items() if len(voters) >= WIDE.quorum} | {3}
    for place, certified in enumerate(bench.chain):
        assert (certified.certificate is not None) is (place in certified_here)
        if certified.certificate is not None:
            certified.certificate.verify_for(
                certified.block.header, WIDE.context.validators, chain_id=WIDE.context.chain_id
            )


def test_a_block_within_a_batch_is_served_with_its_own_certificate() -> None:
    bench = Bench(WIDE, 0)
    chain = WIDE.chain(3)
    for who in (1, 2, 3):
        bench.receive(who, *(WIDE.commit(who, block.header) for block in chain))
    bench.receive(1, *(Proposal(block=block) for block in chain[::-1]))
    (answer,) = bench.receive(2, FetchBlocks(start=Height(1), count=2))
    assert isinstance(answer, Blocks)
    assert [certified.block for certified in answer.blocks] == chain[:2]
    assert all(certified.certificate is not None for certified in answer.blocks)
    behind = Bench(WIDE, 2)
    behind.receive(1, Status(era=Era(0), view=View(0), head=Height(9), base=Height(0)))
    behind.receive(1, answer)
    behind.tick()
    assert behind.chain == list(answer.blocks)


def test_a_late_vote_is_answered_with_the_heads_certificate_once_things_are_settled() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.commit_by([1, 2, 3], A)
    late = FORGE.prepare(2, A.header)
    assert bench.receive(2, late) == []
    bench.now += 1.0
    assert bench.receive(2, late) == [Finality(certificate=bench.chain[0].certificate)]  # type: ignore[arg-type]
    assert bench.sent[-1].to == 2


def test_a_late_vote_that_somebody_else_repeats_is_not_answered() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.commit_by([1, 2, 3], A)
    bench.now += 1.0
    assert bench.receive(3, FORGE.prepare(2, A.header)) == []


def test_votes_that_cannot_matter_take_no_room() -> None:
    """Far above the head, or of views far below or above the current one."""
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(6)
    bench.receive(3, FORGE.new_view(changes), *changes)
    far = FORGE.chain(4)
    bench.receive(2, *(FORGE.commit(2, block.header, view=6) for block in far))
    bench.receive(2, *(FORGE.commit(2, A.header, view) for view in (0, 1, 2, 14, 15)))
    assert sorted(bench.engine._replica.tally._slots) == [(2, 1), (6, 1), (6, 2), (14, 1)]


def test_equivocation_is_noted() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(A.header), FORGE.pre_prepare(OTHER.header))
    bench.receive(1, FORGE.pre_prepare(OTHER.header))
    assert bench.events.count("equivocation") == 1
    votes = (FORGE.vote(VoteKind.PREPARE, A.header), FORGE.vote(VoteKind.PREPARE, OTHER.header))
    bench.receive(2, FORGE.votes(2, *votes))
    assert bench.events.count("equivocation") == 2


def test_oneself_is_no_sender() -> None:
    with pytest.raises(ProtocolViolation):
        Bench(FORGE, 0).receive(0, FORGE.prepare(2, A.header))


def test_who_has_no_vote_is_not_accused_and_counts_for_nothing() -> None:
    bench = Bench(FORGE, 0)
    assert bench.receive(9, Proposal(block=A), FORGE.pre_prepare(A.header), FORGE.prepare(2, A.header)) == []
    assert bench.votes(VoteKind.PREPARE) == []
