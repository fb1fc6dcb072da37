"""The view timer runs for the oldest pending item: a primary can starve nobody, and an idle one is left alone."""

from collections.abc import Iterable

from consensus.messages import Blocks, Status, ViewChange
from consensus.watching import DEADLINES_MAX
from ledger.quantities import Era, Height, ValidatorId, View
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge()
A, B = FORGE.chain(2)


def test_the_view_timer_runs_for_the_oldest_item_until_that_is_decided() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"old")
    bench.now += 0.9
    bench.propose(A)
    bench.commit_by([1, 2, 3], A)
    bench.tick(0.1)
    assert bench.engine.view == 1


def test_the_view_timer_starts_anew_for_the_next_item() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(A.transactions[0])
    bench.submit(b"next")
    bench.now += 0.9
    bench.propose(A)
    bench.commit_by([1, 2, 3], A)
    bench.tick()
    bench.tick(0.9)
    assert bench.engine.view == 0
    bench.tick(0.2)
    assert bench.engine.view == 1


def test_nothing_pending_no_view_change() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    for _ in range(100):
        bench.tick(10.0)
    assert bench.engine.view == 0


def test_an_item_that_more_urgent_ones_are_put_before_keeps_its_deadline() -> None:
    """Due actions go before transactions: a primary that decides only those must not win time with each of them."""
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"starved")
    parent = FORGE.genesis
    for number in range(5):
        bench.now += 0.3
        block = FORGE.block(parent, f"due {number}".encode())
        bench.application.waiting.insert(0, *block.transactions)
        bench.tick()
        bench.propose(block)
        bench.commit_by([1, 2, 3], block)
        bench.tick()
        parent = block.header
    assert bench.height == 5
    assert bench.engine.view == 1


def test_the_new_view_timer_starts_with_a_quorum_of_view_changes_and_doubles() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.tick(1.0)
    assert bench.engine.view == 1
    bench.tick(50.0)
    assert bench.engine.view == 1, "nobody else wants it: no timer"
    bench.receive(1, FORGE.view_change(1, 1))
    bench.receive(3, FORGE.view_change(3, 1))
    bench.tick(1.9)
    assert bench.engine.view == 1
    bench.tick(0.1)
    assert bench.engine.view == 2


def test_one_validator_that_wants_ever_higher_views_does_not_put_off_the_new_view_timer() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.tick(1.0)
    for who in (1, 3):
        bench.receive(who, FORGE.view_change(who, 1))
    for view in range(2, 6):
        bench.tick(0.5)
        bench.receive(3, FORGE.view_change(3, 10 * view))
    assert bench.engine.view == 2


def in_view_1(after: float) -> Bench:
    """Return validator 0 with one block appended in view 1, so long after that was entered."""
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(A.transactions[0])
    bench.tick(1.0)
    changes = FORGE.view_changes(1)
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.now += after
    block = FORGE.block(FORGE.genesis, *A.transactions, proposer=2)
    bench.propose(block, view=1)
    bench.commit_by([1, 2, 3], block, view=1)
    bench.submit(b"next")
    assert (bench.height, bench.engine.view) == (1, 1)
    return bench


def test_patience_is_as_short_as_ever_once_a_block_was_decided_quickly() -> None:
    bench = in_view_1(after=0.1)
    bench.tick(1.0)
    assert bench.engine.view == 2


def test_patience_stays_where_decisions_need_it() -> None:
    """A slow network or disk must not end a view with each block."""
    bench = in_view_1(after=0.6)
    bench.tick(1.9)
    assert bench.engine.view == 1
    bench.tick(0.1)
    assert bench.engine.view == 2


def test_the_deadlines_of_ever_other_items_take_no_room() -> None:
    bench = Bench(FORGE, 0)
    for number in range(2 * DEADLINES_MAX):
        bench.application.waiting.insert(0, f"due {number}".encode())
        bench.tick()
    assert len(bench.engine._replica.timers.deadlines) == DEADLINES_MAX


def test_being_behind_for_a_while_does_not_move_a_deadline_that_is_still_to_come() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    for peer in (1, 2):
        bench.receive(peer, Status(era=Era(0), view=View(0), head=Height(1)))
    bench.tick(0.6)
    bench.receive(1, Blocks(blocks=(FORGE.certified(A),)))
    assert bench.height == 1
    bench.tick(0.4)
    assert bench.engine.view == 1


def test_a_time_in_which_the_process_did_not_listen_is_held_against_nobody() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.tick(0.5)
    bench.now += 60.0
    bench.engine.excuse(60.0)
    bench.tick(0.4)
    assert bench.engine.view == 0
    bench.tick(0.1)
    assert bench.engine.view == 1


def test_an_excuse_counts_for_a_view_that_is_being_started() -> None:
    bench = Bench(FORGE, 0, agreeing=3)
    for who in (1, 2):
        bench.receive(who, FORGE.view_change(who, 1))
    bench.now += 60.0
    bench.engine.excuse(60.0)
    bench.tick(1.9)
    assert bench.engine.view == 1
    bench.tick(0.1)
    assert bench.engine.view == 2


def heartbeats(bench: Bench, who: Iterable[int], times: int) -> None:
    for _ in range(times):
        bench.tick(0.7)
        for peer in who:
            bench.receive(peer, Status(era=Era(0), view=View(0), head=Height(0)))
    bench.tick()


def test_an_idle_primary_whose_heartbeat_stops_is_given_up_before_a_transaction_has_to_wait_for_it() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    heartbeats(bench, [1, 2, 3], 1)
    heartbeats(bench, [2, 3], 3)
    assert bench.engine.view == 0
    heartbeats(bench, [2, 3], 1)
    assert bench.engine.view == 1
    assert "the primary is silent" in bench.reasons


def test_who_hears_too_few_does_not_leave_the_view_while_nothing_is_pending() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    heartbeats(bench, [1, 2, 3], 1)
    heartbeats(bench, [2], 20)
    assert bench.engine.view == 0


def test_a_primary_that_was_never_heard_may_still_be_starting() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    heartbeats(bench, [2, 3], 20)
    assert bench.engine.view == 0


def test_heartbeats_alone_change_no_view() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    heartbeats(bench, [1, 2, 3], 100)
    assert not bench.of_kind(ViewChange)


def test_a_learner_counts_neither_as_heard_nor_as_a_member_of_a_quorum() -> None:
    bench = Bench(FORGE, 0)
    heartbeats(bench, [1, 2, 3], 1)
    heartbeats(bench, [2, 9], 20)
    assert bench.engine.view == 0
    assert 9 not in bench.engine._replica.timers.heard


def test_patience_is_short_while_the_connection_to_the_primary_is_down() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.tick(0.1)
    bench.engine.lost(ValidatorId(1), bench.moment)
    bench.tick(0.2)
    assert bench.engine.view == 0
    bench.tick(0.05)
    assert bench.engine.view == 1


def test_a_connection_that_broke_for_a_moment_or_was_anothers_ends_no_view() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.engine.lost(ValidatorId(1), bench.moment)
    bench.engine.lost(ValidatorId(2), bench.moment)
    bench.tick(0.2)
    bench.receive(1, Status(era=Era(0), view=View(0), head=Height(0)))
    bench.tick(0.7)
    assert bench.engine.view == 0
    bench.tick(0.2)
    assert bench.engine.view == 1


def test_a_lost_connection_ends_no_view_while_nothing_is_pending() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.engine.lost(ValidatorId(1), bench.moment)
    bench.tick(2.0)
    assert bench.engine.view == 0
    bench.submit(b"item")
    bench.tick(0.25)
    assert bench.engine.view == 1
