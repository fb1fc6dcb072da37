"""One open round: the global model to train from, and the way back for what was trained."""

import operator
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aggregation.update_file import update_facts
from ledger.encoding import encode
from ledger.errors import ConfigurationError
from ledger.hashing import sha256
from ledger.quantities import U63_MAX, RoundNumber, TimeMs
from ledger.records import RoundRecord, TaskRecord
from ledger.transactions import SubmitUpdate
from participant.errors import InvalidSubmission
from participant.global_model import GlobalModel
from participant.memory import Submission
from participant.receipts import Receipt
from participant.seat import Seat
from participant.tensors import StateDict, Weights
from participant.updates import EncodedUpdate, encode_trained

if TYPE_CHECKING:
    import torch


class Round:
    """A round that this participant may submit one update in."""

    def __init__(self, *, seat: Seat, task: TaskRecord, record: RoundRecord, model: GlobalModel) -> None:
        self._seat = seat
        self._task = task
        self._record = record
        self.model = model
        """The verified global model of this round."""

    @property
    def number(self) -> RoundNumber:
        """Place among the task's rounds, from 1."""
        return self._record.round

    @property
    def deadline(self) -> TimeMs:
        """Milliseconds since 1970: the first block at or after this time closes the round."""
        return self._record.deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: what was not submitted was not submitted."""

    def global_model(self) -> Weights:
        """Return the tensors to train from: float32 copies on the CPU, by the names of the task's layout."""
        return self.model.tensors()

    def load_into(self, module: "torch.nn.Module") -> None:
        """Copy the global model into a module; raises LayoutMismatch, before anything is copied."""
        self.model.load_into(module)

    def submit(self, state_dict: StateDict, num_examples: int, *, clip: bool = True) -> Receipt:
        """Send what was trained, wait until it is final, and return the verified receipt.

        The update is clipped to the task's norm bound unless `clip` is false; then a longer one is sent, and refused
        by the contract. If something was submitted in this round before, by an earlier run of the same script, and
        not refused, nothing is sent and its receipt is returned, with `is_remembered` set. A round that has closed
        meanwhile gives a refused receipt (rule U5 or U3).

        Raises LayoutMismatch, NotFinite, ValueOutOfRange or InvalidSubmission before anything is sent, NodeRefused
        when nodes will not take it, NoNodeAnswered when they cannot be asked, SubmissionNotFinal when it is not known
        to be final in time: call again then.
        """
        return self._earlier() or self._send(self._encode(state_dict, clip=clip), _checked_examples(num_examples))

    def write_update(self, state_dict: StateDict, file: str | PathLike[str], *, clip: bool = True) -> None:
        """Write the very file that `submit` would send, for `quorate update inspect` and `quorate update submit`.

        Nothing is sent. Raises LayoutMismatch, NotFinite or ValueOutOfRange before anything is written,
        ConfigurationError for a file that is there already or cannot be written.
        """
        data, path = self._encode(state_dict, clip=clip).data, Path(file)
        try:
            with path.open("xb") as opened:
                opened.write(data)
        except OSError as error:
            raise ConfigurationError("update file", expected=f"a new file {path}", got=error.strerror) from error

    def submit_file(self, data: bytes, num_examples: int) -> Receipt:
        """Send an update file that was made before, as `submit` does, and neither clipped nor with a residue.

        Raises NotCanonicalFile, LayoutMismatch, ValueOutOfRange or InvalidSubmission before anything is sent.
        """
        update_facts(data, self.model.layout)
        update = EncodedUpdate(data=data, residue=None)
        return self._earlier() or self._send(update, _checked_examples(num_examples))

    def _earlier(self) -> Receipt | None:
        """Return the receipt of what was submitted in this round before, unless that was refused."""
        seat = self._seat
        earlier = seat.memory.recall(seat.task, self.number)
        if earlier is None or earlier.is_refused:
            return None
        return seat.settle(earlier).as_remembered()

    def _encode(self, state_dict: StateDict, *, clip: bool) -> EncodedUpdate:
        norm_max = self._task.spec.norm_max if clip else None
        return encode_trained(self.model, state_dict, residue=self._seat.residue, norm_max=norm_max)

    def _send(self, update: EncodedUpdate, examples: int) -> Receipt:
        seat, layout = self._seat, self._task.spec.layout
        seat.session.upload(update.data, layout=layout, deadline=seat.deadline(size=len(update.data)))
        body = SubmitUpdate(
            task=seat.task,
            round=self.number,
            base=self._record.base,
            blob=sha256(update.data),
            examples=examples,
        )
        signed = encode(seat.session.sign(body, deadline=seat.deadline()))
        own = Submission(task=seat.task, round=self.number, transaction=signed)
        sent = seat.memory.remember(own)
        receipt = seat.settle(sent)
        if sent is not own:
            return receipt.as_remembered()
        if receipt.accepted:
            seat.residue = update.residue if seat.carries_residue else None
        return receipt


def _checked_examples(count: int) -> int:
    try:
        examples = operator.index(count)
    except TypeError:
        raise InvalidSubmission("num_examples", expected="an integer", got=type(count).__name__) from None
    if not 1 <= examples <= U63_MAX:
        raise InvalidSubmission("num_examples", expected="1 or more", got=examples)
    return examples
