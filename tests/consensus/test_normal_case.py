"""The normal case at one replica: what it votes for, what it refuses, and what it waits for."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from consensus.errors import ProtocolViolation, StateDivergence
from consensus.messages import FetchBody, Finality, Message, Proposal, Votes
from ledger.blocks import Block
from ledger.hashing import sha256
from ledger.quantities import Era, Height, TimeMs, ValidatorId
from ledger.votes import VoteKind
from tests.consensus.bench import DRIFT_MS, Bench
from tests.consensus.forge import Forge
from tests.simulation.chain import EPOCH_MS
from tests.simulation.toy import LAST_ITEM, build_header

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
    bench.receive(2, Finality(certificate=FORGE.certificate(WRONG["proposer"].header, 1)))
    assert bench.height == 1


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


def test_a_chosen_block_is_not_measured_against_the_clock() -> None:
    bench = Bench(FORGE, 0)
    block = ahead(10 * DRIFT_MS)
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(block.header)])
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.propose(block, view=1)
    assert heights(bench, VoteKind.PREPARE) == [1]


def test_a_pre_prepare_against_the_choice_of_new_view_is_refused() -> None:
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)])
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.propose(FORGE.block(FORGE.genesis, b"fresh", proposer=2), view=1)
    assert not bench.votes(VoteKind.PREPARE)
    assert "proposal-refused" in bench.events


def test_a_chosen_block_that_does_not_execute_here_stops_the_replica() -> None:
    bench = Bench(FORGE, 0)
    block = WRONG["roots"]
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(block.header)])
    bench.receive(2, FORGE.new_view(changes), *changes)
    with pytest.raises(StateDivergence):
        bench.propose(block, view=1)


def test_a_certified_block_that_does_not_execute_here_stops_the_replica() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, Finality(certificate=FORGE.certificate(WRONG["roots"].header)))
    with pytest.raises(StateDivergence):
        bench.receive(1, Proposal(block=WRONG["roots"]))


def test_a_certified_block_on_another_parent_stops_the_replica() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.commit_by([1, 2, 3], A)
    child = FORGE.block(OTHER.header, b"x")
    bench.receive(1, Finality(certificate=FORGE.certificate(child.header)))
    with pytest.raises(StateDivergence):
        bench.receive(1, Proposal(block=child))


def test_a_new_view_that_a_later_one_has_overtaken_stops_nobody() -> None:
    """It chose A and B; a later view has decided otherwise, and this replica has appended that."""
    a, b, _, _ = WIDE.chain(4)
    other = WIDE.block(WIDE.genesis, b"other")
    bench = Bench(WIDE, 0)
    bench.receive(3, Proposal(block=other), Finality(certificate=WIDE.certificate(other.header, 2)))
    assert bench.height == 1
    changes = WIDE.view_changes(1, prepared=[WIDE.prepared(a.header), WIDE.prepared(b.header)])
    bench.receive(2, WIDE.new_view(changes), *changes)
    bench.propose(b, view=1)
    assert bench.engine.view == 1
    assert not bench.of_kind(Votes)


def test_a_primary_whose_new_view_was_overtaken_proposes_nothing() -> None:
    a, b, _, _ = WIDE.chain(4)
    other = WIDE.block(WIDE.genesis, b"other")
    bench = Bench(WIDE, 2)
    held = [WIDE.prepared(a.header), WIDE.prepared(b.header)]
    for who in (0, 1):
        bench.receive(who, WIDE.view_change(who, 1, prepared=held))
    assert bench.engine.is_active
    bench.receive(3, Proposal(block=other), Finality(certificate=WIDE.certificate(other.header, 2)))
    bench.receive(3, Proposal(block=b))
    bench.submit(b"item")
    assert bench.height == 1
    assert not bench.votes(VoteKind.PRE_PREPARE)


@pytest.mark.parametrize("restarts", [False, True])
def test_blocks_above_one_that_was_decided_against_are_given_up(restarts: bool) -> None:  # noqa: FBT001
    a, b, _, _ = WIDE.chain(4)
    other = WIDE.block(WIDE.genesis, b"other")
    bench = Bench(WIDE, 0)
    bench.propose(a)
    bench.propose(b)
    bench.receive(3, Proposal(block=other), Finality(certificate=WIDE.certificate(other.header, 1)))
    assert bench.height == 1
    if restarts:
        bench.restart()
    bench.prepare_by([2, 3], b)
    assert not bench.votes(VoteKind.COMMIT)
    assert not bench.engine._replica.accepted


@pytest.mark.parametrize("restarts", [False, True])
def test_a_primary_that_was_decided_against_neither_stops_nor_contradicts_itself(restarts: bool) -> None:  # noqa: FBT001
    other = WIDE.block(WIDE.genesis, b"other")
    bench = Bench(WIDE, PRIMARY)
    for number in range(9):
        bench.submit(f"item {number}".encode())
    assert heights(bench, VoteKind.PRE_PREPARE) == [1, 2, 3, 4]
    bench.receive(3, Proposal(block=other), Finality(certificate=WIDE.certificate(other.header, 1)))
    if restarts:
        bench.restart()
    bench.submit(b"one more")
    bench.tick(0.5)
    assert heights(bench, VoteKind.PRE_PREPARE) == [1, 2, 3, 4]


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


def test_equivocation_is_noted() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(A.header), FORGE.pre_prepare(OTHER.header))
    bench.receive(1, FORGE.pre_prepare(OTHER.header))
    assert bench.events.count("equivocation") == 1
    votes = (FORGE.vote(VoteKind.PREPARE, A.header), FORGE.vote(VoteKind.PREPARE, OTHER.header))
    bench.receive(2, FORGE.votes(2, *votes))
    assert bench.events.count("equivocation") == 2


def test_nobody_votes_for_a_child_of_the_block_that_ends_the_era() -> None:
    bench = Bench(WIDE, 0)
    last = WIDE.block(WIDE.genesis, LAST_ITEM)
    child = WIDE.block(last.header, b"x")
    bench.propose(last)
    bench.receive(PRIMARY, Proposal(block=child))
    vote = replace(WIDE.vote(VoteKind.PRE_PREPARE, child.header), era=Era(0))
    bench.receive(PRIMARY, WIDE.votes(PRIMARY, vote))
    assert heights(bench, VoteKind.PREPARE) == [1]
    bench.commit_by([1, 2, 3], last)
    assert bench.engine.has_ended
    assert heights(bench, VoteKind.PREPARE) == [1]


def test_a_primary_proposes_nothing_above_the_block_that_ends_the_era() -> None:
    bench = Bench(WIDE, PRIMARY)
    bench.submit(LAST_ITEM)
    for number in range(9):
        bench.submit(f"item {number}".encode())
    assert heights(bench, VoteKind.PRE_PREPARE) == [1]
    (body,) = bench.of_kind(Proposal)
    bench.commit_by([0, 2, 3], body.block)
    bench.tick(30.0)
    assert bench.engine.has_ended
    assert bench.engine.view == 0
    assert heights(bench, VoteKind.PRE_PREPARE) == [1]


def test_a_stranger_and_oneself_are_no_senders() -> None:
    for sender in (ValidatorId(9), ValidatorId(0)):
        with pytest.raises(ProtocolViolation):
            Bench(FORGE, 0).receive(sender, FORGE.prepare(2, A.header))
