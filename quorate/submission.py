"""Submitting an update that is a file already, and waiting for what becomes of it.

Scripts that train use the SDK, which also remembers what they sent. Here the chain does: an update that was accepted
is refused a second time (rule U7).
"""

from dataclasses import dataclass
from pathlib import Path

from aggregation.layouts import LAYOUT_BYTES_MAX, decode_layout
from aggregation.update_file import update_facts
from ledger.errors import Undecidable
from ledger.hashing import sha256
from ledger.quantities import RoundNumber
from ledger.records import RoundStatus
from ledger.transactions import SubmitUpdate
from participant.consortium import TIMEOUT_SECONDS
from participant.deadline import Deadline
from participant.keyfile import load_key
from participant.receipts import Receipt
from participant.session import Session, read_genesis

FATE_SECONDS = 24 * 3600.0
"""Longest to wait for the end of a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Who submits to what."""

    node: str
    genesis: Path
    key: Path
    task: str

    def session(self) -> Session:
        """Open a session; raises ConfigurationError, InputError."""
        return Session(nodes=[self.node], genesis=read_genesis(self.genesis), key=load_key(self.key, "participant"))


def submit_update(submission: Submission, data: bytes, *, examples: int) -> tuple[RoundNumber, Receipt]:
    """Upload an update file, submit it to the current round, and return the round with the verified receipt.

    Raises NotCanonicalFile, LayoutMismatch or ValueOutOfRange for what is no update of this task, before it is sent;
    NodeRefused, NoNodeAnswered.
    """
    session, deadline = submission.session(), Deadline(TIMEOUT_SECONDS)
    try:
        task = session.task(submission.task, deadline=deadline)
        record, _ = session.round(submission.task, task.round, deadline=deadline)
        layout = session.blob(task.spec.layout, size_max=LAYOUT_BYTES_MAX, deadline=deadline)
        update_facts(data, decode_layout(layout))
        session.upload(data, layout=task.spec.layout, deadline=deadline)
        body = SubmitUpdate(
            task=submission.task, round=record.round, base=record.base, blob=sha256(data), examples=examples
        )
        return record.round, session.submit(session.sign(body, deadline=deadline), deadline=deadline)
    finally:
        session.close()


def wait_for_fate(submission: Submission, number: RoundNumber) -> str:
    """Return this participant's fate once a round has ended, on the node's word; raises Undecidable after a day."""
    session, deadline = submission.session(), Deadline(FATE_SECONDS)
    try:
        own = session.participant_number(deadline=deadline)
        while not deadline.has_passed:
            record, participations = session.round(submission.task, number, deadline=deadline)
            if record.status in {RoundStatus.DECIDED, RoundStatus.VOID}:
                did = participations.get(str(own))
                return "unknown" if did is None or did.fate is None else did.fate
            deadline.pause()
    finally:
        session.close()
    raise Undecidable(f"round {number} of {submission.task}", expected="its end", got=f"none in {FATE_SECONDS:g} s")
