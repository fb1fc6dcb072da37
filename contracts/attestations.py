"""Attest: a validator's word that the recipe, applied to a round's frozen inputs, gives certain bytes.

Attestations name no attempt and all count. Those that come after the decision, until the next round is decided too,
are recorded as well: they show who agrees, and f+1 that disagree halt the task.
"""

from enum import StrEnum

from contracts import queries
from contracts.context import Call
from contracts.verdicts import FollowUp, FollowUpKind, Judgement, Refused, accept
from ledger import state_keys
from ledger.blobs import Fate, ModelFacts, ReportFacts
from ledger.encoding import encode
from ledger.hashing import ZERO_DIGEST
from ledger.quantities import ValidatorId
from ledger.records import AttestationRecord, KeyRole, RoundRecord, RoundStatus, TaskRecord, TaskStatus
from ledger.tasks import rule_digest
from ledger.transactions import Attest


class AttestationRule(StrEnum):
    """Why an attestation is refused."""

    AUTHOR_NOT_VALIDATOR = "A1"
    """The author is no service key of a current validator."""
    TASK_UNKNOWN = "A2"
    """There is no task of this name."""
    ROUND_NOT_ATTESTABLE = "A3"
    """The round awaits no attestations, since it is not closed, its committee is not drawn, it is void or past, or the
    task is halted: (named, the task's last)."""
    NOT_IN_COMMITTEE = "A4"
    """In the first attempt only the committee attests: (the validator's number)."""
    ALREADY_ATTESTED = "A5"
    """The validator has attested this round: (its number)."""
    OTHER_RULE = "A6"
    """The recipe is not the task's."""
    OTHER_INPUTS = "A7"
    """The inputs root is not the round's."""
    OTHER_BASE = "A8"
    """The base is not the round's."""
    SERVER_STATE_NOT_ZERO = "A9"
    """The task's server step keeps no state."""
    OUTPUT_NOT_RECORDED = "A10"
    """The output is not recorded as a model."""
    OUTPUT_OF_OTHER_LAYOUT = "A11"
    """The output fits another layout than the task's."""
    OTHER_VIEW = "A12"
    """The output has another float32 view."""
    REPORT_NOT_RECORDED = "A13"
    """The report is not recorded as one."""
    REPORT_OF_OTHER_ROUND = "A14"
    """The report is on another task, round or inputs root."""
    REPORT_INCOMPLETE = "A15"
    """The report does not say used or cut for each accepted input and nobody else: (inputs, fates in it)."""


def judge(call: Call, body: Attest) -> Judgement:
    """Record the attestation; at the end of the block the round's attestations are counted."""
    author = ValidatorId(call.author.subject)
    if call.author.role is not KeyRole.SERVICE or author not in call.context.validators:
        raise Refused(AttestationRule.AUTHOR_NOT_VALIDATOR)
    task = queries.task(call.state, body.task)
    if task is None:
        raise Refused(AttestationRule.TASK_UNKNOWN)
    round_ = queries.round_record(call.state, body.task, body.round)
    if round_ is None or not _attestable(task, round_):
        raise Refused(AttestationRule.ROUND_NOT_ATTESTABLE, body.round, task.round)
    if round_.attempt == 1 and author not in round_.committee:
        raise Refused(AttestationRule.NOT_IN_COMMITTEE, author)
    if queries.attestation(call.state, body.task, body.round, author) is not None:
        raise Refused(AttestationRule.ALREADY_ATTESTED, author)
    _check_subject(body, task, round_)
    _check_output(call, body, task)
    _check_report(call, body, round_)
    record = AttestationRecord(attestation=body, height=call.context.height)
    counting = FollowUp(FollowUpKind.SETTLE, body.task, body.round)
    return accept(
        writes={state_keys.attestation(body.task, body.round, author): encode(record)}, follow_ups=(counting,)
    )


def _attestable(task: TaskRecord, round_: RoundRecord) -> bool:
    if task.status is TaskStatus.HALTED or task.round > round_.round + 1:
        return False
    return round_.status is RoundStatus.DECIDED or (round_.status is RoundStatus.CLOSED and round_.attempt > 0)


def _check_subject(body: Attest, task: TaskRecord, round_: RoundRecord) -> None:
    if body.rule != rule_digest(task.spec):
        raise Refused(AttestationRule.OTHER_RULE)
    if body.inputs_root != round_.inputs_root:
        raise Refused(AttestationRule.OTHER_INPUTS)
    if body.base != round_.base:
        raise Refused(AttestationRule.OTHER_BASE)
    if body.server_state != ZERO_DIGEST:
        raise Refused(AttestationRule.SERVER_STATE_NOT_ZERO)


def _check_output(call: Call, body: Attest, task: TaskRecord) -> None:
    output = queries.blob_facts(call.state, body.output, ModelFacts)
    if output is None:
        raise Refused(AttestationRule.OUTPUT_NOT_RECORDED)
    if output.layout != task.spec.layout:
        raise Refused(AttestationRule.OUTPUT_OF_OTHER_LAYOUT)
    if output.view != body.view:
        raise Refused(AttestationRule.OTHER_VIEW)


def _check_report(call: Call, body: Attest, round_: RoundRecord) -> None:
    report = queries.blob_facts(call.state, body.report, ReportFacts)
    if report is None:
        raise Refused(AttestationRule.REPORT_NOT_RECORDED)
    if (report.task, report.round, report.inputs_root) != (body.task, body.round, round_.inputs_root):
        raise Refused(AttestationRule.REPORT_OF_OTHER_ROUND)
    participations = queries.participations(call.state, body.task, body.round)
    inputs = [who for who, item in participations.items() if item.blob is not None]
    covered = [item.participant for item in report.fates]
    if covered != inputs or any(item.fate not in {Fate.USED, Fate.CUT} for item in report.fates):
        raise Refused(AttestationRule.REPORT_INCOMPLETE, len(inputs), len(covered))
