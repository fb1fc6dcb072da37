"""One learning task: its rounds one after the other, and what became of this participant in those that are over."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.blobs import Fate
from ledger.errors import InputError, InvalidProof
from ledger.hashing import Digest
from ledger.quantities import ModelVersion, RoundNumber
from ledger.records import RoundRecord, RoundStatus, TaskRecord, TaskStatus
from ledger.tasks import TaskSpec
from participant.deadline import Deadline
from participant.errors import NotTakingPart, RoundNotOpen, TaskEnded
from participant.fates import tell
from participant.global_model import GlobalModel
from participant.http_types import Participation
from participant.receipts import Receipt
from participant.round import Round
from participant.seat import Seat
from participant.short_repr import short_repr

ROUND_SECONDS = 24 * 3600.0
"""How long to wait for a round by default."""
LOOK_SECONDS_MAX = 1.0
"""Longest between two looks at the chain while waiting for a round."""
HISTORY_ROUNDS = 100
"""Rounds that a history goes back by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOutcome:
    """What became of a round, and of this participant in it."""

    round: RoundNumber
    status: RoundStatus
    fate: Fate | None
    """This participant's, on a node's word; None until the round is decided or void, or if it was not invited."""
    rule: str | None
    """Rule that refused what was submitted from here; None if nothing was, or it was not refused."""
    version: ModelVersion | None
    """Global model that the round made; None if it made none."""
    model: Digest | None
    """Its digest."""

    __repr__ = short_repr


class Task:
    """A learning task that this participant takes part in."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    @property
    def name(self) -> str:
        """Name of the task."""
        return self._seat.task

    def spec(self) -> TaskSpec:
        """Return what the consortium agreed on when it registered the task."""
        return self._seat.record().spec

    def round(self, *, timeout: float = ROUND_SECONDS) -> Round:
        """Wait until a round is open in which nothing was submitted yet, for `timeout` seconds, and return it.

        What an earlier run submitted without seeing its receipt is settled first (see `resume`). Raises RoundNotOpen,
        TaskEnded, NotTakingPart, ConfigurationError when the state folder cannot be written.
        """
        seat = self._seat
        seat.memory.prepare(seat.task)
        self.resume()
        deadline = Deadline(timeout)
        while True:
            task = _running(seat.session.task(seat.task, deadline=deadline))
            if task.round:
                record, participations = seat.session.round(seat.task, task.round, deadline=deadline)
                if self._may_submit(record, participations):
                    return self._enter(task, record)
            if deadline.has_passed:
                raise RoundNotOpen(
                    f"task {seat.task}", expected="an open round to submit in", got=f"none in {timeout:g} s"
                )
            deadline.pause(seconds_max=LOOK_SECONDS_MAX)

    def wait_round(self, *, after: int = 0, timeout: float = ROUND_SECONDS) -> RoundNumber:
        """Wait until a round later than number `after` has opened, and return the current one's number.

        Raises RoundNotOpen, TaskEnded.
        """
        deadline = Deadline(timeout)
        while True:
            task = self._seat.session.task(self.name, deadline=deadline)
            if task.round > after:
                return task.round
            _running(task)
            if deadline.has_passed:
                raise RoundNotOpen(f"task {self.name}", expected=f"a round after {after}", got=f"{task.round}")
            deadline.pause(seconds_max=LOOK_SECONDS_MAX)

    def resume(self) -> Receipt | None:
        """Get the receipt of what an earlier run submitted without seeing it; None if there is no such thing."""
        return self._seat.settle_all()

    def receipt(self, number: int) -> Receipt | None:
        """Return the receipt of what was submitted from here in a round that is still remembered."""
        submission = self._seat.memory.recall(self.name, RoundNumber(number))
        return None if submission is None else self._seat.settle(submission).as_remembered()

    def why(self, number: int) -> str:
        """Return in words what became of this participant in a round that was opened, and why.

        Whether and why an update was used or cut comes from the attested report, a refusal from its receipt, both
        proven; any other fate is on a node's word. Raises InputError for a round that was not opened.
        """
        current = self._seat.record().round
        if not 1 <= number <= current:
            raise InputError(f"round of {self.name}", expected=f"1 to {current}", got=number)
        return tell(self._seat, RoundNumber(number))

    def global_model(self, version: int | None = None) -> GlobalModel:
        """Return a verified global model, the newest by default; raises InputError for one that was not made."""
        task = self._seat.record()
        wanted = ModelVersion(task.version if version is None else version)
        if not 0 <= wanted <= task.version:
            raise InputError(f"version of {self.name}'s model", expected=f"0 to {task.version}", got=wanted)
        return self._seat.global_model(task, wanted)

    def history(self, *, last: int = HISTORY_ROUNDS) -> list[RoundOutcome]:
        """Return what became of the last rounds and of this participant in each, the earliest first.

        Rounds and models are proven; fates are on a node's word.
        """
        current = self._seat.record().round
        return [self._outcome(RoundNumber(number)) for number in range(max(1, current - last + 1), current + 1)]

    def _outcome(self, number: RoundNumber) -> RoundOutcome:
        seat = self._seat
        record, participations = seat.session.round(seat.task, number, deadline=seat.deadline())
        fate = participations.get(str(seat.number), Participation()).fate
        submission = seat.memory.recall(seat.task, number)
        decided = record.status is RoundStatus.DECIDED
        return RoundOutcome(
            round=number,
            status=record.status,
            fate=None if fate is None else Fate[fate.upper()],
            rule=seat.settle(submission).rule if submission is not None and submission.proof is not None else None,
            version=ModelVersion(record.base_version + 1) if decided else None,
            model=record.model,
        )

    def _may_submit(self, record: RoundRecord, participations: Mapping[str, Participation]) -> bool:
        seat = self._seat
        if all(invitation.participant != seat.number for invitation in record.invited):
            raise NotTakingPart(f"task {seat.task}", expected="an invited participant", got=f"number {seat.number}")
        done = participations.get(str(seat.number), Participation())
        attempts_max = seat.session.chain.genesis.parameters.update_attempts_max
        submitted = seat.memory.recall(seat.task, record.round)
        return (
            record.status is RoundStatus.OPEN
            and done.blob is None
            and done.attempts < attempts_max
            and (submitted is None or submitted.is_refused)
        )

    def _enter(self, task: TaskRecord, record: RoundRecord) -> Round:
        model = self._seat.global_model(task, record.base_version)
        if model.record.model != record.base:
            raise InvalidProof(
                f"base of round {record.round}", expected=model.record.model.hex(), got=record.base.hex()
            )
        return Round(seat=self._seat, task=task, record=record, model=model)


def _running(task: TaskRecord) -> TaskRecord:
    if task.status is not TaskStatus.RUNNING:
        raise TaskEnded(
            f"task {task.spec.name}",
            expected="a running task",
            got=f"{task.status.name.lower()} after round {task.round}",
        )
    return task
