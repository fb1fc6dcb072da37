"""The checker itself: what it must accept, what it must refuse, and that it agrees with trying every order."""

from collections.abc import Iterable
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.linearizability import NEVER, NotLinearizable, Operation, linearization

Action = tuple[str, int]
Op = Operation[Action, int]


def register(state: int, action: Action, answer: int | None) -> Iterable[int]:
    """Step a register: a write is answered by what it wrote, a read by what it read."""
    kind, value = action
    if kind == "write":
        return (value,)
    return (state,) if answer in {None, state} else ()


def write(value: int, called: float, answered: float = NEVER) -> Op:
    return Operation(
        action=("write", value), called=called, answered=answered, answer=None if answered == NEVER else value
    )


def read(value: int, called: float, answered: float) -> Op:
    return Operation(action=("read", 0), called=called, answered=answered, answer=value)


def check(*history: Op) -> list[Op]:
    return linearization(history, initial=0, step=register)


def test_one_after_the_other() -> None:
    assert len(check(write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7))) == 4


def test_a_read_that_overlaps_a_write_may_see_either() -> None:
    check(write(1, 0, 10), read(0, 1, 2), read(1, 3, 4))


def test_a_stale_read_is_refused() -> None:
    with pytest.raises(NotLinearizable, match="none of these can be next"):
        check(write(1, 0, 1), read(0, 2, 3))


def test_once_seen_a_value_does_not_go_away() -> None:
    with pytest.raises(NotLinearizable):
        check(write(1, 0, 10), read(1, 1, 2), read(0, 3, 4))


def test_a_lost_write_is_refused() -> None:
    with pytest.raises(NotLinearizable):
        check(write(1, 0, 1), write(2, 2, 3), read(1, 4, 5))


def test_readers_that_disagree_about_the_order_are_refused() -> None:
    with pytest.raises(NotLinearizable):
        check(write(1, 0, 10), write(2, 0, 10), read(1, 11, 12), read(2, 13, 14))


def test_an_unanswered_write_may_happen_late_or_never() -> None:
    unanswered = write(1, 0)
    check(unanswered, read(0, 1, 2), read(1, 3, 4))
    check(unanswered, read(0, 1, 2), read(0, 3, 4))


def test_an_unanswered_write_does_not_happen_twice() -> None:
    with pytest.raises(NotLinearizable):
        check(write(1, 0), read(1, 1, 2), write(2, 3, 4), read(1, 5, 6))


def test_an_unanswered_write_does_not_happen_before_its_call() -> None:
    with pytest.raises(NotLinearizable):
        check(read(1, 0, 1), write(1, 2))


def test_long_histories_with_many_clients_take_no_time() -> None:
    history = [write(place, place, place + 8) for place in range(1, 2_000)]
    history.append(read(1_999, 3_000, 3_001))
    assert len(check(*history)) == 2_000


times = st.integers(min_value=0, max_value=8)


@st.composite
def operations(draw: st.DrawFn) -> Op:
    called, length = draw(times), draw(times)
    if draw(st.booleans()):
        return write(draw(st.integers(1, 2)), called, draw(st.sampled_from([called + length, NEVER])))
    return read(draw(st.integers(0, 2)), called, called + length)


@settings(max_examples=400, deadline=None)
@given(st.lists(operations(), max_size=5))
def test_it_agrees_with_trying_every_order(history: list[Op]) -> None:
    expected = any(_explains(order) for order in _orders(history))
    try:
        found = check(*history)
    except NotLinearizable:
        assert not expected
    else:
        assert expected
        assert _explains(found)


def _orders(history: list[Op]) -> Iterable[tuple[Op, ...]]:
    answered = [it for it in history if it.answer is not None]
    others = [it for it in history if it.answer is None]
    for count in range(len(others) + 1):
        for some in combinations(others, count):
            yield from permutations([*answered, *some])


def _explains(order: Iterable[Op]) -> bool:
    state, latest_call = 0, -1.0
    for operation in order:
        if operation.answered < latest_call:
            return False
        latest_call = max(latest_call, operation.called)
        after = list(register(state, operation.action, operation.answer))
        if not after:
            return False
        state = after[0]
    return True
