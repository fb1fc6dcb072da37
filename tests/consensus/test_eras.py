"""The block that changes the validator set ends its era: nobody goes on above it before the next one begins."""

from msgspec.structs import replace

from consensus.messages import Proposal
from ledger.quantities import Era
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge
from tests.simulation.toy import LAST_ITEM

FORGE = Forge(window=4)
PRIMARY = FORGE.primary(0)


def heights(bench: Bench, kind: VoteKind) -> list[int]:
    return [vote.height for vote in bench.votes(kind)]


def test_nobody_votes_for_a_child_of_the_block_that_ends_the_era() -> None:
    bench = Bench(FORGE, 0)
    last = FORGE.block(FORGE.genesis, LAST_ITEM)
    child = FORGE.block(last.header, b"x")
    bench.propose(last)
    bench.receive(PRIMARY, Proposal(block=child))
    vote = replace(FORGE.vote(VoteKind.PRE_PREPARE, child.header), era=Era(0))
    bench.receive(PRIMARY, FORGE.votes(PRIMARY, vote))
    assert heights(bench, VoteKind.PREPARE) == [1]
    bench.commit_by([1, 2, 3], last)
    assert bench.engine.has_ended
    assert heights(bench, VoteKind.PREPARE) == [1]


def test_a_primary_proposes_nothing_above_the_block_that_ends_the_era() -> None:
    bench = Bench(FORGE, PRIMARY)
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
