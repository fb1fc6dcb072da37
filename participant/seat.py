"""A participant's place in one task: what its rounds share, from one to the next."""

import logging

from aggregation.layouts import LAYOUT_BYTES_MAX, decode_layout, view_form
from ledger.errors import Undecidable
from ledger.hashing import Digest
from ledger.quantities import ModelVersion, ParticipantId
from ledger.records import TaskRecord
from ledger.tasks import Layout
from participant.deadline import Deadline
from participant.errors import NodeRefused, NoNodeAnswered, SubmissionNotFinal
from participant.global_model import GlobalModel
from participant.memory import Memory, Submission
from participant.node import seconds_to_move
from participant.receipts import Receipt
from participant.session import Session
from participant.updates import Residue

log = logging.getLogger("quorate.participant")


class Seat:
    """One participant in one task."""

    def __init__(self, *, session: Session, memory: Memory, task: str, timeout: float, carries_residue: bool) -> None:
        self.session = session
        self.memory = memory
        self.task = task
        self.carries_residue = carries_residue
        self.residue: Residue | None = None
        """What rounding left over of the last accepted update."""
        self._timeout = timeout
        self._layout: Layout | None = None
        self._model: GlobalModel | None = None

    @property
    def number(self) -> ParticipantId:
        """Registry number of this participant; raises NotTakingPart."""
        return self.session.participant_number(deadline=self.deadline())

    def deadline(self, *, size: int = 0) -> Deadline:
        """Return the deadline of one operation that begins now and moves so many bytes."""
        return Deadline(self._timeout + seconds_to_move(size))

    def record(self) -> TaskRecord:
        """Return the task as state has it."""
        return self.session.task(self.task, deadline=self.deadline())

    def global_model(self, task: TaskRecord, version: ModelVersion) -> GlobalModel:
        """Return a verified global model; the last one is kept."""
        if self._model is None or self._model.version != version:
            record = self.session.model(self.task, version, deadline=self.deadline())
            layout = self._fetch_layout(task.spec.layout)
            size = view_form(layout).size
            view = self.session.blob(record.view, size_max=size, deadline=self.deadline(size=size))
            self._model = GlobalModel(record=record, layout=layout, view=view)
        return self._model

    def settle(self, submission: Submission) -> Receipt:
        """Send what was remembered, for the first time or again, and keep its receipt.

        Raises NodeRefused, SubmissionNotFinal.
        """
        if submission.proof is not None:
            try:
                return self.session.chain.kept_receipt(submission.proof, submission.transaction_id)
            except Undecidable:  # of an era that no node has shown to this process yet
                return self.session.receipt(submission.transaction_id, deadline=self.deadline())
        try:
            receipt = self.session.submit(submission.signed, deadline=self.deadline())
        except NoNodeAnswered as error:
            raise SubmissionNotFinal(error.what, error.faults) from error
        self.memory.settle(submission, proof=receipt.proof, is_refused=not receipt.accepted)
        return receipt

    def settle_all(self) -> Receipt | None:
        """Get the receipts that earlier runs did not wait for; return the last one."""
        receipt = None
        for submission in self.memory.unsettled(self.task):
            try:
                receipt = self.settle(submission).as_remembered()
            except NodeRefused as refusal:
                log.warning("round %d of %s: forgotten, since %s", submission.round, self.task, refusal)
                self.memory.forget(submission)
        return receipt

    def _fetch_layout(self, digest: Digest) -> Layout:
        if self._layout is None:
            data = self.session.blob(digest, size_max=LAYOUT_BYTES_MAX, deadline=self.deadline())
            self._layout = decode_layout(data)
        return self._layout
