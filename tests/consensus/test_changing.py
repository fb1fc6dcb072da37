"""Changing the view among peers that equivocate, withhold, replay and flood."""

import pytest
from msgspec.structs import replace

from consensus.errors import ProtocolViolation
from consensus.messages import Complaint, FetchNewView, FetchViewChanges, Finality, NewView, ViewChange
from ledger.quantities import Era, ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge

FORGE = Forge()
A, B = FORGE.chain(2)


def sent_to(bench: Bench, kind: type) -> list[ValidatorId | None]:
    return [send.to for send in bench.sent if isinstance(send.message, kind)]


def in_view_1(who: int = 0) -> Bench:
    bench = Bench(FORGE, who)
    changes = FORGE.view_changes(1)
    bench.receive(3, FORGE.new_view(changes), *changes)
    assert (bench.engine.view, bench.engine.is_active) == (1, True)
    return bench


def test_a_view_change_other_than_the_one_that_new_view_names_locks_nobody_out() -> None:
    """One Byzantine validator sends one to the primary, and another one to a backup first."""
    bench = Bench(FORGE, 0)
    named = FORGE.view_change(3, 1)
    bench.receive(3, FORGE.view_change(3, 1, prepared=[FORGE.prepared(A.header)]))
    changes = [FORGE.view_change(1, 1), FORGE.view_change(2, 1), named]
    bench.receive(2, FORGE.new_view(changes), *changes)
    assert bench.engine.is_active
    assert bench.engine.view == 1


def test_view_changes_that_new_view_names_are_asked_of_its_sender_and_then_of_everybody() -> None:
    bench = Bench(FORGE, 0)
    new_view = FORGE.new_view(FORGE.view_changes(1))
    bench.receive(3, new_view)
    bench.tick(0.3)
    assert sent_to(bench, FetchViewChanges) == [3, None]


def test_only_missing_view_changes_are_asked_for() -> None:
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1)
    bench.receive(1, changes[1])
    bench.receive(2, FORGE.new_view(changes))
    missing = (changes[0].payload.digest, changes[2].payload.digest)
    assert bench.of_kind(FetchViewChanges) == [FetchViewChanges(digests=missing)]


def test_nothing_is_asked_for_when_everything_is_here() -> None:
    bench = in_view_1()
    bench.tick(1.0)
    assert sent_to(bench, FetchViewChanges) == [3]


def test_the_same_new_view_again_starts_no_new_questions() -> None:
    bench = Bench(FORGE, 0)
    new_view = FORGE.new_view(FORGE.view_changes(1))
    for sender in (3, 2, 1, 3, 2):
        bench.receive(sender, new_view)
    assert sent_to(bench, FetchViewChanges) == [3]


def test_a_bad_new_view_of_a_far_view_does_not_block_a_good_one() -> None:
    bench = Bench(FORGE, 0)
    far = FORGE.view_changes(4 * 10**9 + 2)  # the primary is validator 3
    bench.receive(3, FORGE.new_view(far))
    changes = FORGE.view_changes(1)
    bench.receive(2, FORGE.new_view(changes), *changes)
    assert (bench.engine.view, bench.engine.is_active) == (1, True)


def test_a_new_view_that_does_not_follow_is_dropped_and_the_right_one_entered() -> None:
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)])
    honest = FORGE.new_view(changes)
    bench.receive(2, FORGE.sign_new_view(replace(honest.payload, choices=())), *changes)
    assert bench.engine.is_active is False
    assert "new-view-refused" in bench.events
    bench.receive(2, honest)
    assert bench.engine.is_active


def test_an_old_new_view_replayed_does_not_replace_a_later_one_of_the_same_primary() -> None:
    bench = Bench(FORGE, 0)
    old, new = FORGE.view_changes(1), FORGE.view_changes(5)
    bench.receive(2, FORGE.new_view(new))
    bench.receive(3, FORGE.new_view(old))
    bench.receive(2, *new)
    assert (bench.engine.view, bench.engine.is_active) == (5, True)


def test_the_highest_view_that_may_be_entered_is_entered() -> None:
    bench = Bench(FORGE, 0)
    low, high = FORGE.view_changes(1), FORGE.view_changes(2)
    bench.receive(2, FORGE.new_view(low))
    bench.receive(3, FORGE.new_view(high))
    bench.receive(1, high[1], high[2], low[1], low[2], low[0], high[0])
    assert bench.engine.view == 2


@pytest.mark.parametrize("order", [1, -1])
def test_view_changes_for_ever_other_views_take_no_room(order: int) -> None:
    bench = Bench(FORGE, 0)
    for view in range(1, 100)[::order]:
        bench.receive(3, FORGE.view_change(3, view))
    assert sorted(bench.engine._replica.view_changes) == [96, 97, 98, 99]


def test_a_view_change_that_is_known_costs_nothing_more() -> None:
    """It is repeated all the time; its signatures are not even looked at again."""
    bench = Bench(FORGE, 0)
    change = FORGE.view_change(3, 1)
    bench.receive(3, change)
    assert bench.receive(3, replace(change, signature=FORGE.view_change(3, 2).signature)) == []
    assert bench.engine._replica.view_changes[View(1)] == {3: change}


def test_new_views_take_room_for_one_a_primary() -> None:
    bench = Bench(FORGE, 0)
    for view in range(1, 30):
        if FORGE.primary(view) != 0:
            bench.receive(3, FORGE.new_view(FORGE.view_changes(view)))
    assert sorted(pending.view for pending in bench.engine._replica.pending.values()) == [26, 28, 29]


def test_one_validator_cannot_move_the_view() -> None:
    bench = Bench(FORGE, 0)
    for view in range(1, 9):
        bench.receive(3, FORGE.view_change(3, view))
    assert bench.engine.view == 0


def test_the_smallest_view_that_f_plus_1_want_is_joined() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(3, FORGE.view_change(3, 7))
    bench.receive(2, FORGE.view_change(2, 4))
    assert bench.engine.view == 4


def test_of_several_views_that_one_validator_wants_the_smallest_is_joined_first() -> None:
    """Its primary may be waiting for just this view change."""
    bench = Bench(FORGE, 0)
    bench.receive(3, FORGE.view_change(3, 3), FORGE.view_change(3, 7))
    bench.receive(2, FORGE.view_change(2, 4))
    assert [change.payload.view for change in bench.of_kind(ViewChange)] == [3, 4]


def test_joining_goes_on_through_every_view_that_others_have_reached() -> None:
    forge = Forge(25)
    bench = Bench(forge, 0)
    for view in range(100, 0, -1):
        bench.receive(1 + view % 24, forge.view_change(1 + view % 24, view))
    assert bench.engine.view > 50


def test_a_late_view_change_is_answered_with_new_view_and_the_heads_certificate() -> None:
    bench = in_view_1()
    bench.propose(FORGE.block(FORGE.genesis, b"x", proposer=2), view=1)
    bench.commit_by([1, 2, 3], FORGE.block(FORGE.genesis, b"x", proposer=2), view=1)
    answer = bench.receive(1, FORGE.view_change(1, 1))
    assert [type(message) for message in answer] == [NewView, Finality]


def test_a_late_view_change_that_somebody_else_passes_on_is_not_answered() -> None:
    assert in_view_1().receive(3, FORGE.view_change(1, 1)) == []


def test_view_changes_are_given_to_who_asks_for_them() -> None:
    bench = in_view_1()
    digests = tuple(change.payload.digest for change in FORGE.view_changes(1))
    assert tuple(bench.receive(1, FetchViewChanges(digests=digests))) == FORGE.view_changes(1)
    assert bench.receive(1, FetchViewChanges(digests=(A.digest,))) == []


@pytest.mark.parametrize(("era", "view", "answered"), [(0, 1, True), (0, 0, True), (0, 2, False), (1, 1, False)])
def test_new_view_is_given_to_who_asks_for_it_or_an_earlier_one(era: int, view: int, answered: bool) -> None:  # noqa: FBT001
    answer = in_view_1().receive(1, FetchNewView(era=Era(era), view=View(view)))
    assert [type(message) for message in answer] == ([NewView] if answered else [])


def test_messages_of_another_era_change_nothing() -> None:
    bench = Bench(FORGE, 0)
    change = FORGE.view_change(3, 1)
    other_change = FORGE.sign_view_change(replace(change.payload, era=Era(1)))
    new_view = FORGE.new_view(FORGE.view_changes(1))
    other_new_view = FORGE.sign_new_view(replace(new_view.payload, era=Era(1)))
    certificate = replace(FORGE.certificate(A.header), era=Era(1))
    vote = replace(FORGE.vote(VoteKind.COMMIT, A.header), era=Era(1))
    for message in (other_change, other_new_view, Finality(certificate=certificate), FORGE.votes(3, vote)):
        assert bench.receive(3, message) == []
    assert not bench.engine._replica.view_changes
    assert not bench.engine._replica.pending
    assert bench.engine._replica.certificate is None


def test_own_messages_that_come_back_change_nothing() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(3, FORGE.view_change(0, 1), FORGE.commit(0, A.header))
    assert not bench.engine._replica.view_changes
    assert not bench.engine._replica.tally._slots


def test_a_view_change_is_resent_byte_for_byte() -> None:
    bench = Bench(FORGE, 0, agreeing=2)
    bench.submit(b"item")
    bench.tick(1.0)
    bench.receive(1, Finality(certificate=FORGE.certificate(A.header)))
    bench.tick(0.3)
    bench.restart()
    bench.tick(0.3)
    changes = bench.of_kind(ViewChange)
    assert len(changes) >= 3
    assert len(set(changes)) == 1


def test_a_new_view_for_another_primarys_view_is_a_violation() -> None:
    new_view = FORGE.new_view(FORGE.view_changes(1))
    with pytest.raises(ProtocolViolation):
        Bench(FORGE, 0).receive(3, FORGE.sign_new_view(replace(new_view.payload, validator=ValidatorId(3))))


def test_a_validator_that_was_heard_one_way_only_and_is_a_view_ahead_leaves_nobody_stuck() -> None:
    """0 and 1 wait for view 1, 3 has gone on to view 2, 2 is silent: no view has a quorum of view changes of its own.

    It takes a link that fails in one direction: what 3 said for view 1 is lost, and it only repeats what it says last.
    """
    cluster = Cluster()
    ahead = cluster.benches[ValidatorId(3)]
    cluster.down = {ValidatorId(2)}
    cluster.cut = {ahead.id}
    cluster.submit(b"item")
    cluster.settle()
    cluster.tick(1.0)
    for who in (0, 1):
        ahead.receive(who, Complaint(era=Era(0), view=View(0)))
    cluster.settle()
    cluster.tick(0.0)
    cluster.settle()
    for who in (0, 1):
        ahead.receive(who, *cluster.benches[ValidatorId(who)].of_kind(ViewChange))
    cluster.tick(4.0, {ahead.id})
    ahead.receive(0, Complaint(era=Era(0), view=View(1)))
    cluster.tick(0.0, {ahead.id})
    cluster.settle()
    cluster.cut = set()
    assert [bench.engine.view for bench in cluster.up] == [1, 1, 2]
    assert cluster.finish()
