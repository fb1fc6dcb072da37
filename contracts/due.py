"""The due index: at most one mark per running task, saying what happens to its round by itself, and when.

Marks sort by time, so the first ones are what a block begins with. A mark that an earlier event has made pointless
is deleted, never left to expire.
"""

from collections.abc import Iterator
from enum import IntEnum
from itertools import islice, takewhile

from ledger import state_keys
from ledger.encoding import Noun, decode, encode
from ledger.quantities import Name, RoundField, RoundNumber, TimeMs
from ledger.state import Overlay, StateView


class DueAction(IntEnum):
    """What is to be done with a round."""

    CLOSE = 1
    """Its deadline has passed."""
    DRAW = 2
    """It was closed by the block before."""
    SECOND_ATTEMPT = 3
    """The committee's time has passed."""
    VOID = 4
    """The second attempt's time has passed too."""


class DueMark(Noun, frozen=True, kw_only=True):
    """Value of a mark; its time is in its key."""

    action: DueAction
    task: Name
    round: RoundField


def marks(state: StateView) -> Iterator[tuple[bytes, DueMark]]:
    """Yield all marks with their keys, the earliest first."""
    return ((key, decode(value, DueMark)) for key, value in state.scan(state_keys.DUE_PREFIX))


def first(state: StateView) -> tuple[TimeMs, bytes] | None:
    """Return time and key of the mark that is due first, or None if nothing waits."""
    earliest = next(iter(marks(state)), None)
    return None if earliest is None else (state_keys.due_time(earliest[0]), earliest[0])


def due_at(state: StateView, time: TimeMs, *, most: int) -> list[tuple[bytes, DueMark]]:
    """Return the marks due at `time`, the earliest first, no more than `most`."""
    passed = takewhile(lambda item: state_keys.due_time(item[0]) <= time, marks(state))
    return list(islice(passed, most))


def put(state: Overlay, action: DueAction, task: str, round_number: RoundNumber, *, when: TimeMs) -> None:
    """Let something happen in the first block with a time of at least `when` after this one."""
    mark = DueMark(action=action, task=task, round=round_number)
    state.put(state_keys.due(when, task, round_number), encode(mark))


def clear(state: Overlay, task: str) -> None:
    """Let nothing happen by itself to a task any more."""
    for key in [key for key, mark in marks(state) if mark.task == task]:
        state.delete(key)
