"""Who finds fault complains and goes on voting; f+1 leave the view together, and nobody is left alone in the next."""

from consensus.messages import Complaint, ViewChange
from consensus.watching import COMPLAINT_HEARTBEATS
from ledger.quantities import Era, View
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge()
(A,) = FORGE.chain(1)


def slow_replica() -> Bench:
    """Return a replica that has seen its primary decide late, eight times."""
    bench = Bench(FORGE, 0)
    for block in FORGE.chain(8):
        bench.submit(block.transactions[0])
        bench.tick(0.9)
        bench.propose(block)
        bench.commit_by([1, 2, 3], block)
    bench.tick()
    return bench


def starved_replica() -> Bench:
    """Return a replica whose oldest item was not decided in time."""
    bench = Bench(FORGE, 0)
    bench.submit(b"item")
    bench.tick(1.0)
    return bench


def contented_again() -> Bench:
    """Return one that has complained alone, and then saw what it had waited for decided."""
    bench = Bench(FORGE, 0)
    bench.submit(A.transactions[0])
    bench.tick(1.0)
    bench.tick()
    assert bench.of_kind(Complaint)
    bench.propose(A)
    bench.prepare_by([2], A)
    bench.commit_by([1, 2], A)
    assert (bench.height, bench.engine.view) == (1, 0)
    return bench


def test_a_replica_that_finds_fault_alone_complains_stays_and_votes() -> None:
    """Who left alone would vote no more until the others left too: one slow process would use up the fault borne."""
    bench = starved_replica()
    for _ in range(30):
        bench.tick(0.1)
    assert bench.engine.view == 0
    assert not bench.of_kind(ViewChange)
    assert 4 <= len(bench.of_kind(Complaint)) <= 6, "with the heartbeat, not with each turn"
    bench.propose(A)
    bench.prepare_by([2], A)
    bench.commit_by([1, 2], A)
    assert bench.height == 1, "its own votes were the third ones"


def test_who_alone_misses_the_start_of_a_view_waits_for_it() -> None:
    """The others may be in it: who went on alone could not follow them any more."""
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1)
    for change in changes:
        bench.receive(change.payload.validator, change)
    for _ in range(60):
        bench.tick(0.1)
    assert (bench.engine.view, bench.engine.is_active) == (1, False)
    assert Complaint(era=Era(0), view=View(1)) in bench.of_kind(Complaint)
    bench.receive(2, FORGE.new_view(changes))
    assert (bench.engine.view, bench.engine.is_active) == (1, True)


def test_a_complaint_that_was_not_repeated_counts_no_more() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, Complaint(era=Era(0), view=View(0)))
    bench.submit(b"item")
    bench.tick(0.7 * COMPLAINT_HEARTBEATS)
    assert bench.engine.view == 0
    bench.receive(2, Complaint(era=Era(0), view=View(0)))
    bench.tick()
    assert bench.engine.view == 1


def test_who_has_left_the_view_finds_fault_with_it() -> None:
    bench = starved_replica()
    bench.receive(3, FORGE.view_change(3, 1))
    bench.tick()
    assert bench.engine.view == 1


def test_who_is_content_again_goes_along_with_one_who_left_for_its_complaint() -> None:
    """Else that one votes no more until somebody finds fault again: the fault that the cluster can bear, used up."""
    bench = contented_again()
    bench.receive(3, FORGE.view_change(3, 1))
    bench.tick()
    assert bench.engine.view == 1


def test_one_who_left_takes_nobody_along_who_has_not_complained_or_whose_complaint_is_old() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(3, FORGE.view_change(3, 1))
    bench.tick()
    assert bench.engine.view == 0
    bench = contented_again()
    bench.tick(0.7 * COMPLAINT_HEARTBEATS)
    bench.receive(3, FORGE.view_change(3, 1))
    bench.tick()
    assert bench.engine.view == 0


def test_complaints_alone_take_nobody_along_who_is_content_again() -> None:
    """As long as nobody has left, nobody is left alone."""
    bench = contented_again()
    for peer in (2, 3):
        bench.receive(peer, Complaint(era=Era(0), view=View(0)))
    bench.tick()
    assert bench.engine.view == 0


def test_an_old_view_s_complaint_takes_nobody_along_out_of_the_next_one() -> None:
    bench = starved_replica()
    bench.tick(1.0)
    assert bench.of_kind(Complaint)
    changes = FORGE.view_changes(1)
    for change in changes:
        bench.receive(change.payload.validator, change)
    bench.receive(2, FORGE.new_view(changes))
    assert (bench.engine.view, bench.engine.is_active) == (1, True)
    bench.receive(3, FORGE.view_change(3, 2))
    bench.tick()
    assert bench.engine.view == 1


def test_who_waits_for_others_to_agree_wants_no_turn_before_its_complaint_is_due() -> None:
    bench = starved_replica()
    due = bench.engine.tick(bench.moment).timer_at
    assert due is not None
    assert due > bench.now


def test_a_replica_that_alone_finds_the_primary_slow_complains_and_stays() -> None:
    bench = slow_replica()
    for _ in range(20):
        bench.tick(0.1)
    assert bench.engine.view == 0
    complaints = bench.of_kind(Complaint)
    assert set(complaints) == {Complaint(era=Era(0), view=View(0))}
    assert 2 <= len(complaints) <= 4, "with the heartbeat, not with each turn"


def test_f_plus_1_complaints_end_the_view() -> None:
    bench = slow_replica()
    bench.receive(2, Complaint(era=Era(0), view=View(0)))
    bench.tick()
    assert bench.engine.view == 1
    assert "the primary is slow" in bench.reasons


def test_complaints_of_others_alone_or_of_another_view_end_nothing() -> None:
    bench = Bench(FORGE, 0)
    for peer in (1, 2, 3):
        bench.receive(peer, Complaint(era=Era(0), view=View(0)))
    bench.tick()
    assert bench.engine.view == 0
    bench = slow_replica()
    bench.receive(2, Complaint(era=Era(0), view=View(1)))
    bench.tick()
    assert bench.engine.view == 0
