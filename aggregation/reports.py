"""The aggregation report: for each input of a round how much it counted, why if not, and what it contributed.

A canonical blob whose digest is attested with the model, so blame and reputation rest on what f+1 validators
recomputed. Shares are integers in units of 2^-30.
"""

from enum import IntEnum
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from aggregation.errors import InvalidReport
from aggregation.shares import SHARE_ONE
from ledger import merkle
from ledger.blobs import Fate, FateRecord, ReportFacts
from ledger.encoding import Noun, decode, encode
from ledger.hashing import Digest, DigestField
from ledger.quantities import U63, Name, ParticipantField, ParticipantId, RoundField

REPORT_BYTES_MAX = 2**20
"""More than a report of 1,024 records takes."""

Share = Annotated[int, Meta(ge=0, le=SHARE_ONE)]


class CutReason(IntEnum):
    """Why an accepted input had no influence."""

    NONE = 0
    """It had."""
    ALL_TRIMMED = 1
    """Each of its coordinates was among the b lowest or b highest."""
    NO_WEIGHT = 2
    """The weight policy gave it none."""


class ReportRecord(Noun, frozen=True, kw_only=True):
    """One input of the round."""

    participant: ParticipantField
    blob: DigestField
    weight: U63
    fate: Fate
    """USED or CUT."""
    reason: CutReason
    coefficient: Share
    """Its part in the combination, over the weights; those of all inputs add up to one."""
    clip_factor: Share
    """What the rule scaled it by before combining; one where it was not clipped."""
    contribution: Share
    """Its part in the sum of all inputs' dot products with the coefficient-weighted sum, negative ones as zero."""
    duplicate_of: ParticipantField
    """First earlier input with the same weights; zero if none."""


class Report(Noun, frozen=True, kw_only=True, tag="quorate-report-1"):
    """How a round's inputs became a global model."""

    task: Name
    round: RoundField
    rule: DigestField
    """`ledger.tasks.rule_digest` of the task."""
    inputs_root: DigestField
    base: DigestField
    output: DigestField
    view: DigestField
    records: Annotated[tuple[ReportRecord, ...], Meta(min_length=1, max_length=1_024)]
    """In ascending order of participant number."""

    def facts(self) -> ReportFacts:
        """Return what validators sign about this report."""
        fates = tuple(FateRecord(participant=record.participant, fate=record.fate) for record in self.records)
        return ReportFacts(task=self.task, round=self.round, inputs_root=self.inputs_root, fates=fates)


def inputs_root(inputs: list[tuple[ParticipantId, Digest, int]]) -> Digest:
    """Return the RFC 6962 root over (participant number, blob digest, weight), which the round's close recorded."""
    return merkle.root(encode(leaf) for leaf in inputs)


def report_facts(data: bytes) -> ReportFacts:
    """Return the facts of a report.

    Raises TooLarge, MalformedEncoding or NonCanonicalEncoding for bytes that are no report, InvalidReport when its
    records are out of order, do not add up, or lead to another inputs root.
    """
    report = decode(data, Report, bytes_max=REPORT_BYTES_MAX)
    numbers = [record.participant for record in report.records]
    for earlier, later in pairwise(numbers):
        if earlier >= later:
            raise InvalidReport("participants", expected=f"one above {earlier}", got=later)
    for record in report.records:
        expected = Fate.USED if record.reason is CutReason.NONE else Fate.CUT
        if record.fate is not expected:
            raise InvalidReport(f"fate of participant {record.participant}", expected=expected, got=record.fate)
    total = sum(record.coefficient for record in report.records)
    if total != SHARE_ONE:
        raise InvalidReport("sum of coefficients", expected=SHARE_ONE, got=total)
    root = inputs_root([(record.participant, record.blob, record.weight) for record in report.records])
    if root != report.inputs_root:
        raise InvalidReport("inputs root of the records", expected=report.inputs_root.hex(), got=root.hex())
    return report.facts()
