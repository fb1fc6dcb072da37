"""What became of this participant in a round, and why, in words."""

from aggregation.reports import REPORT_BYTES_MAX, Report, ReportRecord
from aggregation.shares import SHARE_ONE
from ledger.blobs import Fate
from ledger.encoding import decode
from ledger.errors import InvalidProof
from ledger.quantities import ModelVersion, RoundNumber
from ledger.records import RoundRecord, RoundStatus
from ledger.rendering import plain
from participant.http_types import Participation
from participant.seat import Seat
from participant.words import CUTS, FATES, percent


def tell(seat: Seat, number: RoundNumber) -> str:
    """Return a participant's fate in a round with the reason; raises as `Session.round`, InvalidProof."""
    record, participations = seat.session.round(seat.task, number, deadline=seat.deadline())
    if record.status is RoundStatus.DECIDED:
        reported = _reported(seat, record)
        if reported is not None:
            return _counted(reported, record)
    did = participations.get(str(seat.number), Participation())
    submission = seat.memory.recall(seat.task, number)
    sent = "" if submission is None else " " + seat.settle(submission).why()
    if did.fate is None:
        return f"Round {number} is {plain(record.status)}, and nothing is decided yet.{sent}"
    return f"{did.fate.capitalize()}: {FATES.get(did.fate, 'a fate of a later release')}.{sent}"


def _reported(seat: Seat, record: RoundRecord) -> ReportRecord | None:
    """Return what the attested report of a decided round says of this participant's update, if it has one there."""
    made = ModelVersion(record.base_version + 1)
    model = seat.session.model(seat.task, made, deadline=seat.deadline())
    if model.round != record.round:
        raise InvalidProof(f"round of {seat.task}@{made}", expected=record.round, got=model.round)
    data = seat.session.blob(model.report, size_max=REPORT_BYTES_MAX, deadline=seat.deadline(size=REPORT_BYTES_MAX))
    records = decode(data, Report, bytes_max=REPORT_BYTES_MAX).records
    return next((it for it in records if it.participant == seat.number), None)


def _counted(reported: ReportRecord, record: RoundRecord) -> str:
    """Return how much an accepted update counted, and why it did not where it did not."""
    if reported.fate is Fate.CUT:
        return f"Cut: {FATES['cut']}: {CUTS[str(plain(reported.reason))]}."
    part = percent(reported.coefficient, SHARE_ONE)
    return f"Used: {FATES['used']} of round {record.round}, with a share of {part}."
