"""How a view starts: its primary announces it, and everybody goes on above its base."""

from consensus.messages import FetchNewView, Finality, NewView, Status, Votes
from ledger.quantities import Era, Height, View
from ledger.votes import VoteKind
from tests.consensus.bench import TIMING, Bench
from tests.consensus.forge import Forge

FORGE = Forge()
A, B = FORGE.chain(2)


def test_the_primary_starts_its_view_with_the_first_quorum() -> None:
    bench = Bench(FORGE, 2)
    bench.receive(0, FORGE.view_change(0, 1, prepared=[FORGE.prepared(A.header)]))
    bench.receive(3, FORGE.view_change(3, 1))
    (new_view,) = bench.of_kind(NewView)
    assert [chosen.digest for chosen in new_view.payload.choices] == [A.digest]
    assert len(new_view.payload.view_changes) == FORGE.quorum


def test_a_primary_that_restarts_in_its_view_says_the_same() -> None:
    bench = Bench(FORGE, 2)
    bench.submit(b"item")
    bench.receive(0, FORGE.view_change(0, 1))
    bench.receive(3, FORGE.view_change(3, 1))
    before = bench.of_kind(NewView), bench.votes(VoteKind.PRE_PREPARE)
    bench.sent.clear()
    bench.restart()
    bench.submit(b"another item")
    bench.tick(0.3)
    assert bench.of_kind(NewView)[0] == before[0][0]
    assert bench.votes(VoteKind.PRE_PREPARE) == before[1]


def test_a_far_base_is_fetched_before_anything_is_voted_in_the_view() -> None:
    bench = Bench(FORGE, 0)
    changes = [FORGE.view_change(who, 1, certificate=FORGE.certificate(A.header)) for who in (1, 2, 3)]
    fresh = FORGE.block(A.header, b"x", proposer=2)
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.propose(fresh, view=1)
    assert not bench.of_kind(Votes)
    bench.receive(3, Status(era=Era(0), view=View(1), head=Height(1)))
    bench.propose(A, view=0)
    assert bench.height == 1
    assert [vote.digest for vote in bench.votes(VoteKind.PREPARE)] == [fresh.digest]


def test_the_bases_certificate_survives_a_restart() -> None:
    bench = Bench(FORGE, 0)
    changes = [FORGE.view_change(who, 1, certificate=FORGE.certificate(A.header)) for who in (1, 2, 3)]
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.restart()
    bench.propose(A, view=0)
    assert bench.height == 1


def test_a_primary_that_has_appended_more_than_the_base_says_so() -> None:
    bench = Bench(FORGE, 2)
    bench.propose(A)
    bench.commit_by([0, 1, 3], A)
    bench.receive(0, FORGE.view_change(0, 1))
    bench.receive(1, FORGE.view_change(1, 1))
    bench.receive(3, FORGE.view_change(3, 1))
    assert Finality(certificate=bench.chain[0].certificate) in bench.of_kind(Finality)  # type: ignore[arg-type]


def test_a_replica_ahead_of_all_choices_goes_on_above_its_head() -> None:
    """Its NEW-VIEW carries a block over that it has appended: it does not vote for that again."""
    bench = Bench(FORGE, 2)
    bench.propose(A)
    bench.commit_by([0, 1, 3], A)
    bench.sent.clear()
    bench.submit(b"item")
    held = FORGE.prepared(A.header)
    bench.receive(0, FORGE.view_change(0, 1, prepared=[held]))
    bench.receive(1, FORGE.view_change(1, 1, prepared=[held]))
    (new_view,) = bench.of_kind(NewView)
    assert new_view.payload.base.height in {0, 1}
    assert {vote.height for vote in bench.votes(VoteKind.PRE_PREPARE)} == {2}


def test_new_view_is_still_given_to_who_asks_for_it_after_a_restart() -> None:
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1)
    new_view = FORGE.new_view(changes)
    bench.receive(2, new_view, *changes)
    bench.restart()
    assert new_view in bench.receive(3, FetchNewView(era=Era(0), view=View(1)))
    assert [status.view for status in bench.tick(TIMING.status) if isinstance(status, Status)] == [1]
