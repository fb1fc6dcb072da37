"""Clock offsets between peers, and a second process that runs as a validator: with clocks that the tests move."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.quantities import TimeMs, ValidatorId, faulty_max
from node.runtime.peer_clocks import ASK_TICKS, FORGET_SECONDS, INSTANCES_MAX, PeerClocks, deviation_ms
from node.runtime.wire import ClockAsked, ClockTold

ME, PEER = ValidatorId(0), ValidatorId(1)


@dataclass
class End:
    """One process, and what it sent."""

    number: int = 0
    ahead_ms: int = 0
    now: float = 100.0
    asked: list[ClockAsked] = field(default_factory=list)
    told: list[ClockTold] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clocks = PeerClocks(
            instance=self.number.to_bytes(16, "big"), outbox=self, elapsed=lambda: self.now, wall=self.wall
        )

    def wall(self) -> TimeMs:
        return TimeMs(round(self.now * 1000) + self.ahead_ms)

    def broadcast(self, message: ClockAsked) -> None:
        self.asked.append(message)

    def send(self, _to: ValidatorId, message: ClockTold) -> None:
        self.told.append(message)


def exchange(end: End, peer: End, *, there: float = 0.0, back: float = 0.0) -> None:
    """Let one question go there and its answer come back, with these delays in seconds."""
    end.clocks._ticks = 0
    end.clocks.tick()
    end.now += there
    peer.now = end.now
    peer.clocks.on_asked(ME, end.asked[-1])
    end.now += back
    end.clocks.on_told(PEER, peer.told[-1])


@pytest.mark.parametrize("ahead_ms", [0, 1, -1, 5_000, -70_000])
@pytest.mark.parametrize(("there", "back"), [(0.0, 0.0), (0.2, 0.2), (0.4, 0.0), (0.0, 3.0)])
def test_the_true_offset_lies_within_the_error(ahead_ms: int, there: float, back: float) -> None:
    end, peer = End(), End(ahead_ms=ahead_ms)
    exchange(end, peer, there=there, back=back)
    (found,) = end.clocks.offsets.values()
    assert abs(found.offset_ms - ahead_ms) <= found.error_ms
    assert found.error_ms <= (there + back) * 500 + 1
    assert abs(found.certain_ms) <= abs(ahead_ms)
    assert found.certain_ms * ahead_ms >= 0


def test_peers_are_asked_from_time_to_time() -> None:
    end = End()
    for _ in range(2 * ASK_TICKS + 1):
        end.clocks.tick()
    assert len(end.asked) == 3


def test_an_answer_to_another_question_tells_nothing() -> None:
    end = End()
    answer = ClockTold(sent=end.wall(), now=TimeMs(0), second_node=True)
    end.clocks.on_told(PEER, answer)
    end.clocks.tick()
    end.now += 1
    end.clocks.on_told(PEER, ClockTold(sent=end.wall(), now=TimeMs(0), second_node=True))
    assert end.clocks.offsets == {}


def test_what_was_told_is_forgotten_in_the_end() -> None:
    end = End()
    exchange(end, End())
    end.now += FORGET_SECONDS
    assert end.clocks.offsets == {}


@given(st.integers(4, 25), st.data())
def test_liars_neither_make_a_deviation_nor_hide_one(validators: int, data: st.DataObject) -> None:
    most = faulty_max(validators)
    lies = data.draw(st.lists(st.integers(-(10**6), 10**6), min_size=0, max_size=most))
    honest = data.draw(st.lists(st.integers(-50, 50), min_size=validators - 1 - most, max_size=validators - 1 - most))
    quiet = deviation_ms([*honest, *lies], peers=validators - 1)
    assert quiet is not None
    assert abs(quiet) <= 50
    wrong = deviation_ms([*(offset + 5_000 for offset in honest), *lies], peers=validators - 1)
    assert wrong is not None
    assert wrong >= 4_950 or len(honest) <= most


def test_too_few_answers_decide_nothing() -> None:
    assert deviation_ms([9_000], peers=3) is None
    assert deviation_ms([9_000, 8_000], peers=3) == 8_000
    assert deviation_ms([-9_000, 8_000], peers=3) == 0
    assert deviation_ms([-9_000, -8_000, 1], peers=3) == -8_000


def ask(peer: End, *numbers: int) -> bool:
    """Let processes ask a peer as one validator, in this order; return what it says to the last."""
    for number in numbers:
        peer.clocks.on_asked(ME, ClockAsked(instance=number.to_bytes(16, "big"), sent=TimeMs(0)))
    return peer.told[-1].second_node


def test_a_process_that_speaks_again_after_another_is_a_second_one() -> None:
    peer = End()
    assert not ask(peer, 1, 1)
    assert not ask(peer, 2, 2), "restarted"
    assert ask(peer, 1), "and it had never ended"
    assert ask(peer, 2)


def test_restarts_are_no_second_process() -> None:
    peer = End()
    assert not any(ask(peer, number, number) for number in range(100))


def test_both_processes_are_told_for_as_long_as_they_run_and_a_new_one_is_not() -> None:
    peer = End()
    assert ask(peer, 1, 2, 1)
    peer.now += 3_600
    assert ask(peer, 1)
    assert ask(peer, 2)
    assert not ask(peer, 3), "the operator has ended both, and started one again"
    assert not ask(peer, 3)


def test_what_is_remembered_of_a_validator_is_bounded() -> None:
    peer = End()
    ask(peer, 1, 2, 1, *range(3, 3 + 2 * INSTANCES_MAX))
    (seen,) = peer.clocks._seen.values()
    assert len(seen.numbers) == INSTANCES_MAX
    assert not seen.doubled
