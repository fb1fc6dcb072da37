"""What a validator that votes for nothing says of itself, and that it follows the chain and comes back."""

import pytest

from consensus.messages import Finality, Proposal, Status, ViewChange, Votes
from consensus.records import CutRecord, encode_record
from ledger.quantities import Era, Height, View
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge()
CHAIN = FORGE.chain(8)
ME = next(who for who in FORGE.ids if who not in {FORGE.primary(0), FORGE.primary(1)})
OTHERS = [who for who in FORGE.ids if who != ME]


def test_who_votes_has_nothing_to_say() -> None:
    assert Bench(FORGE, ME).engine.silence == ""


def test_who_is_between_two_views_says_so_follows_the_chain_and_comes_back() -> None:
    bench = Bench(FORGE, ME)
    changes = tuple(FORGE.view_change(who, 1) for who in OTHERS[:2])
    for change in changes:
        bench.receive(change.payload.validator, change)
    said = "it has given up view 0 for view 1, which 3 validators want and 3 have to; until then it follows the chain"
    assert bench.engine.silence == said
    bench.receive(OTHERS[2], *(Proposal(block=block) for block in CHAIN[:2]))
    for block in CHAIN[:2]:
        bench.receive(OTHERS[2], Finality(certificate=FORGE.certificate(block.header)))
    assert bench.height == 2
    assert not bench.of_kind(Votes)
    assert bench.engine.silence == said

    (own,) = {change.payload.digest: change for change in bench.of_kind(ViewChange)}.values()
    bench.receive(FORGE.primary(1), FORGE.new_view(sorted((*changes, own), key=lambda it: it.payload.validator)))
    assert bench.engine.silence == ""
    assert bench.engine.is_active


@pytest.mark.parametrize("height", [1, 6])
def test_who_fetches_its_chain_again_says_up_to_where(height: int) -> None:
    bench = Bench(FORGE, ME)
    bench.restart([encode_record(CutRecord(era=Era(0), height=Height(height)))])
    assert bench.engine.silence == f"it has to fetch its chain again first: by its vote log it had block {height}"
    bench.receive(OTHERS[0], Status(era=Era(0), view=View(0), head=Height(8)))
    bench.propose(CHAIN[0])
    assert not bench.of_kind(Votes)
