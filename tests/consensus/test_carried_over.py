"""Blocks that a NEW-VIEW carries over, certified ones that do not fit, and those that were decided against."""

import pytest
from msgspec.structs import replace

from consensus.errors import StateDivergence
from consensus.messages import Finality, Proposal, Votes
from ledger.hashing import sha256
from ledger.votes import VoteKind
from tests.consensus.bench import DRIFT_MS, Bench
from tests.consensus.forge import Forge

FORGE = Forge()
WIDE = Forge(window=4)
A, B, C = FORGE.chain(3)
OTHER = FORGE.block(FORGE.genesis, b"other")
WRONG = replace(A, header=replace(A.header, state_root=sha256(b"another")))
PRIMARY = FORGE.primary(0)


def heights(bench: Bench, kind: VoteKind) -> list[int]:
    return [vote.height for vote in bench.votes(kind)]


def test_a_chosen_block_is_not_measured_against_the_clock() -> None:
    bench = Bench(FORGE, 0)
    block = FORGE.block(FORGE.genesis, b"x", delay_ms=100 * DRIFT_MS)
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
    block = WRONG
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(block.header)])
    bench.receive(2, FORGE.new_view(changes), *changes)
    with pytest.raises(StateDivergence):
        bench.propose(block, view=1)


def test_a_certified_block_that_does_not_execute_here_stops_the_replica() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, Finality(certificate=FORGE.certificate(WRONG.header)))
    with pytest.raises(StateDivergence):
        bench.receive(1, Proposal(block=WRONG))


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


def test_what_was_refused_in_one_view_may_be_what_the_next_one_carries_over() -> None:
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)])
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.propose(OTHER, view=1)
    assert not bench.votes(VoteKind.PREPARE)
    changes = FORGE.view_changes(2, prepared=[FORGE.prepared(OTHER.header, 1)])
    bench.receive(3, FORGE.new_view(changes), *changes)
    bench.propose(OTHER, view=2)
    assert [vote.digest for vote in bench.votes(VoteKind.PREPARE)] == [OTHER.digest]
