"""What the engine promises whoever runs it: timers, effects, and a restart from any prefix of its records."""

import pytest
from msgspec.structs import replace

from consensus.errors import ProtocolViolation
from consensus.messages import FetchBody, Proposal, Status, ViewChange, Votes
from consensus.ports import Effects, Event, Send
from consensus.records import BodyRecord, PreparedRecord, VotesRecord, decode_record, encode_record
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.bench import TIMING, Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge

FORGE = Forge()
WIDE = Forge(window=4)
A, B = FORGE.chain(2)
OTHER = FORGE.block(FORGE.genesis, b"other")


def test_effects_of_one_turn_are_carried_out_together() -> None:
    status = Status(era=Era(0), view=View(0), head=Height(0))
    event = Event(name="x", height=Height(0), view=View(0))
    first = Effects(send=[Send(message=status)], persist=[BodyRecord(block=A)], timer_at=1.0)
    first.merge(
        Effects(
            append=[FORGE.certified(A)],
            persist=[BodyRecord(block=B)],
            seal=True,
            send=[Send(message=status, to=ValidatorId(1))],
            events=[event],
            timer_at=5.0,
        )
    )
    assert first == Effects(
        append=[FORGE.certified(A)],
        persist=[BodyRecord(block=A), BodyRecord(block=B)],
        seal=True,
        send=[Send(message=status), Send(message=status, to=ValidatorId(1))],
        events=[event],
        timer_at=5.0,
    )


def test_what_the_engine_says_of_itself() -> None:
    bench = Bench(FORGE, 0)
    engine = bench.engine
    assert (engine.head, engine.view, engine.primary, engine.is_active, engine.has_ended, engine.is_behind) == (
        FORGE.genesis,
        0,
        1,
        True,
        False,
        False,
    )


def test_a_replica_calls_for_a_tick_at_its_next_deadline() -> None:
    bench = Bench(FORGE, 0)
    effects = bench.engine.tick(bench.moment)
    assert effects.timer_at == min(TIMING.resend, TIMING.status)


def test_heartbeats_say_where_a_replica_is() -> None:
    bench = Bench(FORGE, 0)
    bench.tick(0.0)
    bench.tick(0.1)
    bench.tick(TIMING.status)
    assert bench.of_kind(Status) == [
        Status(era=Era(0), view=View(0), head=Height(0), sent=int(at * 1e6)) for at in (0.0, bench.now)
    ]


def test_votes_in_flight_are_sent_again_and_appended_ones_are_not() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.sent.clear()
    bench.tick(TIMING.resend)
    assert len(bench.of_kind(Votes)) == 1
    bench.commit_by([1, 2, 3], A)
    bench.sent.clear()
    bench.tick(TIMING.resend)
    assert not bench.of_kind(Votes)


def test_one_peer_cannot_push_a_proposal_out_of_its_primary() -> None:
    bench = Bench(FORGE, 1)
    bench.submit(b"item")
    (body,) = bench.of_kind(Proposal)
    for number in range(300):
        block = FORGE.block(FORGE.genesis, f"other {number}".encode(), proposer=2)
        bench.receive(2, Proposal(block=block), FetchBody(digest=block.digest))
    bench.tick(TIMING.resend)
    assert bench.receive(3, FetchBody(digest=body.block.digest)) == [body]


def test_a_body_voted_for_is_still_served_when_its_view_was_left() -> None:
    """A Byzantine validator may be the only one that saw it prepared, and may show that later, without the body."""
    bench = Bench(FORGE, 0)
    bench.propose(A)
    for view in range(1, 6):
        for who in (2, 3):
            bench.receive(who, FORGE.view_change(who, view))
    assert bench.engine.view == 5
    assert bench.receive(3, FetchBody(digest=A.digest)) == [Proposal(block=A)]
    bench.restart()
    assert bench.receive(3, FetchBody(digest=A.digest)) == [Proposal(block=A)]


def test_a_violation_says_who_and_what() -> None:
    bench = Bench(FORGE, 0)
    with pytest.raises(ProtocolViolation) as caught:
        bench.receive(2, replace(FORGE.view_change(2, 1), signature=FORGE.view_change(2, 2).signature))
    assert caught.value.sender == 2
    assert "ViewChange" in str(caught.value)


def voted() -> Bench:
    """Return a replica that has prepared and committed two blocks, changed the view, and prepared the first again."""
    bench = Bench(WIDE, 0)
    chain = WIDE.chain(2)
    for block in chain:
        bench.propose(block)
        bench.prepare_by([2], block)
    changes = WIDE.view_changes(1, prepared=[WIDE.prepared(block.header) for block in chain])
    for change in changes[1:]:
        bench.receive(change.payload.validator, change)
    bench.receive(2, WIDE.new_view(changes), *changes)
    bench.propose(chain[0], view=1)
    assert [vote.view for vote in bench.votes(VoteKind.PREPARE)] == [0, 0, 1]
    return bench


def bundles_in(bench: Bench) -> set[bytes]:
    return {message.bundle.signature for message in bench.of_kind(Votes)}


def test_a_restart_resends_what_was_signed_byte_for_byte() -> None:
    bench = voted()
    signed = bundles_in(bench)
    bench.sent.clear()
    bench.restart()
    bench.tick()
    assert bundles_in(bench)
    assert bundles_in(bench) <= signed
    assert bench.engine.view == 1


@pytest.mark.parametrize("cut", [False, True])
def test_a_restart_from_any_prefix_of_the_records_signs_nothing_new(cut: bool) -> None:  # noqa: FBT001
    whole = voted()
    signed = bundles_in(whole)
    changes = set(whole.of_kind(ViewChange))
    for length in range(len(whole.records) + 1):
        bench = Bench(WIDE, 0)
        bench.restart(whole.records[:length])
        if cut:
            bench.cut_log()
            bench.restart()
        for _ in range(3):
            bench.tick(TIMING.resend)
        assert bundles_in(bench) <= signed
        assert set(bench.of_kind(ViewChange)) <= changes


def test_a_primary_restarts_with_the_proposal_that_it_has_sealed() -> None:
    bench = Bench(FORGE, 1)
    bench.submit(b"item")
    (body,) = bench.of_kind(Proposal)
    (vote,) = bench.votes(VoteKind.PRE_PREPARE)
    bench.sent.clear()
    bench.restart()
    bench.submit(b"another item")
    bench.tick()
    assert bench.votes(VoteKind.PRE_PREPARE) == [vote]
    assert bench.receive(2, FetchBody(digest=vote.digest)) == [body]


def test_a_primary_that_crashed_before_its_proposal_was_synced_may_make_another() -> None:
    bench = Bench(FORGE, 1)
    bench.submit(b"item")
    records = [data for data in bench.records if not isinstance(decode_record(data), VotesRecord)]
    bench.sent.clear()
    bench.restart(records)
    bench.submit(b"another item")
    (body,) = bench.of_kind(Proposal)
    assert body.block.transactions == (b"another item",)


def test_own_votes_from_before_a_restart_still_count_here() -> None:
    """Two others and itself are a quorum; with one of four silent there is no other."""
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.restart()
    bench.prepare_by([2], A)
    bench.restart()
    bench.commit_by([1, 2], A)
    assert bench.height == 1


def test_a_restart_before_the_next_height_is_voted_for_keeps_the_head() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.prepare_by([2], A)
    bench.commit_by([1, 2], A)
    bench.restart()
    bench.propose(B)
    assert [vote.height for vote in bench.votes(VoteKind.PREPARE)] == [1, 2]


def test_a_body_that_no_longer_executes_is_not_voted_for_again() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    other = replace(A, header=replace(A.header, log_size=7))
    vote = FORGE.vote(VoteKind.PREPARE, other.header)
    bench.restart([encode_record(BodyRecord(block=other)), encode_record(VotesRecord(votes=(vote,)))])
    assert not bench.engine._replica.accepted
    bench.propose(A)
    assert not bench.engine._replica.accepted, "it has voted for another one in this view"


def test_records_of_the_era_before_do_not_matter() -> None:
    bench = voted()
    old = [
        encode_record(PreparedRecord(certificate=WIDE.prepared(replace(A.header, era=Era(7))))),
        encode_record(VotesRecord(votes=(replace(WIDE.vote(VoteKind.COMMIT, A.header), era=Era(7)),))),
    ]
    before = bundles_in(bench)
    bench.sent.clear()
    bench.restart([*old, *bench.records])
    bench.tick()
    assert bundles_in(bench) <= before


def test_a_fault_free_cluster_says_little() -> None:
    """A block costs each validator two bundles of votes to all others, and nothing else but the body once."""
    for size in (4, 7):
        cluster = Cluster(size)
        cluster.settle()
        cluster.tick(0.0)
        cluster.settle()
        for bench in cluster.benches.values():
            bench.sent.clear()
        for number in range(5):
            cluster.submit(f"item {number}".encode())
            cluster.settle()
        assert len(cluster.chain()) == 5
        sent = [send for bench in cluster.benches.values() for send in bench.sent]
        assert sum(isinstance(send.message, Proposal) for send in sent) == 5
        assert sum(isinstance(send.message, Votes) for send in sent) == 5 * 2 * size
        assert len(sent) == 5 * (2 * size + 1)
