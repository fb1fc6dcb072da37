"""Rounds begin here: opening the next one, or finishing a task after its last; and the round that is current.

A round is open, closed, then decided or void (`contracts.closing`, `contracts.outcomes`). Deciding or voiding opens the
next one in the same block, so a running task always has exactly one live round and one due mark.
"""

from msgspec.structs import replace

from contracts import due, queries
from contracts.context import BlockContext
from contracts.due import DueAction
from ledger import state_keys
from ledger.encoding import encode
from ledger.entries import RoundOpened, SystemAction, TaskFinished
from ledger.quantities import RoundNumber
from ledger.records import RoundRecord, RoundStatus, TaskRecord, TaskStatus
from ledger.state import Overlay, StateView

NO_ROUND = RoundNumber(0)
"""Stands for the current round of a task that has ended, or whose first round opens at the end of this block."""


def current_round(task: TaskRecord) -> RoundNumber:
    """Return the number of the task's live round, or NO_ROUND."""
    return task.round if task.status is TaskStatus.RUNNING else NO_ROUND


def existing_round(state: StateView, task: str, round_number: RoundNumber) -> RoundRecord:
    """Return a round that is known to have been opened."""
    record = queries.round_record(state, task, round_number)
    assert record is not None, (task, round_number)
    return record


def existing_task(state: StateView, name: str) -> TaskRecord:
    """Return a task that is known to be registered."""
    record = queries.task(state, name)
    assert record is not None, name
    return record


def put_round(state: Overlay, record: RoundRecord) -> None:
    """Write a round."""
    state.put(state_keys.round_(record.task, record.round), encode(record))


def put_task(state: Overlay, record: TaskRecord) -> None:
    """Write a task."""
    state.put(state_keys.task(record.spec.name), encode(record))


def open_next(context: BlockContext, state: Overlay, task: TaskRecord) -> SystemAction:
    """Open the round after the task's last one, or finish the task after `rounds_max`."""
    spec = task.spec
    if task.round >= spec.rounds_max:
        put_task(state, replace(task, status=TaskStatus.FINISHED))
        count_ended_task(state)
        return TaskFinished(task=spec.name)
    number = RoundNumber(task.round + 1)
    deadline = context.after(spec.deadline_ms)
    put_task(state, replace(task, round=number))
    record = RoundRecord(
        task=spec.name,
        round=number,
        status=RoundStatus.OPEN,
        base=task.model,
        base_version=task.version,
        invited=spec.invited,
        opened_height=context.height,
        opened_time=context.time,
        deadline=deadline,
    )
    put_round(state, record)
    due.put(state, DueAction.CLOSE, spec.name, number, when=deadline)
    return RoundOpened(task=spec.name, round=number, base=task.model)


def count_ended_task(state: Overlay) -> None:
    """Note that one running task fewer is running."""
    running = queries.tasks_open(state)
    assert running > 0
    state.put(state_keys.TASKS_OPEN, encode(running - 1))
