"""Heartbeats are answered, so that both sides know how long the way there and back takes."""

from consensus.messages import Pong, Status
from consensus.ports import Send
from ledger.quantities import Era, Height, ValidatorId, View
from tests.consensus.bench import TIMING, Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge

FORGE = Forge()
SENT = 7


def heartbeat(sent: int | None = SENT, *, era: int = 0) -> Status:
    return Status(era=Era(era), view=View(0), head=Height(0), sent=sent)


def answers(bench: Bench) -> list[Send]:
    return [send for send in bench.sent if isinstance(send.message, Pong)]


def test_a_heartbeat_is_answered_to_its_sender_alone() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, heartbeat())
    assert answers(bench) == [Send(message=Pong(sent=SENT), to=ValidatorId(2))]


def test_heartbeats_are_answered_in_every_era_for_the_network_is_the_same() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, heartbeat(era=1))
    bench.receive(2, heartbeat(era=9))
    assert [send.to for send in answers(bench)] == [1, 2]


def test_nobody_gets_more_answers_than_it_needs_and_no_ones_answers_are_used_up_by_others() -> None:
    bench = Bench(FORGE, 0)
    for _ in range(100):
        bench.receive(2, heartbeat())
    bench.receive(3, heartbeat())
    assert [send.to for send in answers(bench)] == [2, 3]
    bench.now += TIMING.status / 4
    bench.receive(2, heartbeat())
    assert [send.to for send in answers(bench)] == [2, 3, 2]


def test_who_has_no_vote_gets_no_answer_and_gives_none() -> None:
    bench, learner = Bench(FORGE, 0), Bench(FORGE, 9)
    bench.receive(9, heartbeat())
    learner.receive(0, heartbeat())
    assert not answers(bench)
    assert not answers(learner)


def test_every_validator_measures_the_way_there_and_back() -> None:
    cluster = Cluster(4)
    cluster.tick(TIMING.status)
    for bench in cluster.up:
        bench.now += 0.05
    cluster.settle()
    for bench in cluster.up:
        assert sorted(bench.engine._replica.pace.trips) == [peer for peer in cluster.benches if peer != bench.id]
        assert round(bench.engine._replica.pace.round_trip, 3) == 0.05


def test_an_answer_to_what_was_never_sent_measures_nothing() -> None:
    bench = Bench(FORGE, 0)
    bench.now = 2 * TIMING.view_max
    bench.receive(1, Pong(sent=int(bench.now * 1e6) + 1_000_000))
    bench.receive(2, Pong(sent=0))
    assert not bench.engine._replica.pace.trips


def test_what_waited_for_its_era_is_not_answered_again() -> None:
    """The time that it has waited would count as a long way."""
    boundary = FORGE.block(FORGE.genesis, b"~2")
    bench = Bench(FORGE, 0)
    bench.receive(1, heartbeat(era=1))
    assert len(answers(bench)) == 1
    bench.now += TIMING.status
    bench.propose(boundary)
    bench.commit_by([1, 2, 3], boundary)
    assert bench.machine.era == 1
    assert bench.machine.peer_heads == {1: 0}
    assert len(answers(bench)) == 1
