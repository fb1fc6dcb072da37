"""ReportEquivocation: a validator has signed two things that no honest validator signs both, and here they are.

The offence is recorded, for members and auditors to read, and that is all: whether its author stays is for the members
to decide (ChangeValidators). Everything is judged by what the chain knows: heights of the block and of the votes, never
a reporter's clock. However much evidence there is, it cannot make a block invalid: what is over a limit is refused like
any other transaction, and may be reported again later.
"""

from enum import StrEnum

from contracts import queries
from contracts.context import Call
from contracts.verdicts import Judgement, Refused, accept
from ledger import state_keys
from ledger.encoding import encode
from ledger.errors import InvalidEvidence
from ledger.evidence import EraMembers, Offence, claimed_offence, era_of, verify_evidence
from ledger.quantities import ValidatorId
from ledger.records import EvidenceCount, KeyRole, OffenceRecord
from ledger.transactions import ReportEquivocation


class EquivocationRule(StrEnum):
    """Why evidence of equivocation is not recorded."""

    AUTHOR_NOT_VALIDATOR = "E1"
    """The author is no service key of a current validator."""
    BLOCK_HAS_ENOUGH = "E2"
    """The block has had its share of evidence: (most)."""
    ERA_UNKNOWN = "E3"
    """The chain has had no such era: (its number)."""
    OFFENDER_NOT_MEMBER = "E4"
    """The offender was no validator of that era: (its number, the era)."""
    NO_CONTRADICTION = "E5"
    """An honest validator may have signed both."""
    EXPIRED = "E6"
    """The votes are for a height too far below the block: (the height, the last block that could have it)."""
    ALREADY_RECORDED = "E7"
    """The offence is recorded: (the height of the block that has it)."""
    OFFENDER_HAS_ENOUGH = "E8"
    """So many offences of this validator in this era are recorded that more would say nothing new: (most)."""
    NOT_SIGNED = "E9"
    """A signature does not verify under the offender's vote key: (its number)."""


def judge(call: Call, body: ReportEquivocation) -> Judgement:
    """Record the offence, once."""
    author = ValidatorId(call.author.subject)
    if call.author.role is not KeyRole.SERVICE or author not in call.context.validators:
        raise Refused(EquivocationRule.AUTHOR_NOT_VALIDATOR)
    in_block = _room_in_block(call)
    era = era_of(body.evidence)
    members = queries.era_members(call.state, era)
    if members is None:
        raise Refused(EquivocationRule.ERA_UNKNOWN, era)
    offence = _offence(call, body, members)
    of_offender = _room_for_offender(call, offence)
    try:
        verify_evidence(body.evidence, members, chain_id=call.context.chain_id)
    except InvalidEvidence as error:
        raise Refused(EquivocationRule.NOT_SIGNED, offence.offender) from error
    record = OffenceRecord(offence=offence, reporter=author, recorded=call.context.height, transaction=call.transaction)
    return accept(
        writes={
            state_keys.offence(offence): encode(record),
            state_keys.offences_count(offence.era, offence.offender): encode(of_offender + 1),
            state_keys.EVIDENCE_COUNT: encode(EvidenceCount(height=call.context.height, count=in_block + 1)),
        }
    )


def _room_in_block(call: Call) -> int:
    """Return how much evidence this block has recorded so far; signatures are checked for no more than that."""
    counted = queries.evidence_count(call.state)
    in_block = counted.count if counted.height == call.context.height else 0
    most = call.context.parameters.block_evidence_max
    if in_block >= most:
        raise Refused(EquivocationRule.BLOCK_HAS_ENOUGH, most)
    return in_block


def _offence(call: Call, body: ReportEquivocation, members: EraMembers) -> Offence:
    """Return what the evidence would prove, if that may still be recorded."""
    try:
        offence = claimed_offence(body.evidence, first_height=members.first_height)
    except InvalidEvidence as error:
        raise Refused(EquivocationRule.NO_CONTRADICTION) from error
    if offence.offender not in members.validators:
        raise Refused(EquivocationRule.OFFENDER_NOT_MEMBER, offence.offender, offence.era)
    height = offence.height or members.last_height
    last = None if height is None else height + call.context.parameters.evidence_heights_max
    if last is not None and call.context.height > last:
        raise Refused(EquivocationRule.EXPIRED, offence.height, last)
    earlier = queries.offence(call.state, offence)
    if earlier is not None:
        raise Refused(EquivocationRule.ALREADY_RECORDED, earlier.recorded)
    return offence


def _room_for_offender(call: Call, offence: Offence) -> int:
    """Return how many offences of this validator in this era are recorded: it can make as many as it likes."""
    recorded = queries.offences_count(call.state, offence.era, offence.offender)
    most = call.context.parameters.offender_evidence_max
    if recorded >= most:
        raise Refused(EquivocationRule.OFFENDER_HAS_ENOUGH, most)
    return recorded
