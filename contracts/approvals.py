"""How many approvals carry a proposal: those of organisations that together run a quorum of the validators.

A quorum of validators can stop or rewrite the chain in any case; a proposal that changes what all must do alike asks
for the consent of as many, given by the operators and not by the machines. An organisation without validators may
approve and adds nothing. Keys and validators are those of the parent block's state.
"""

from collections.abc import Set as AbstractSet
from enum import StrEnum

from contracts import queries
from contracts.context import Call
from contracts.verdicts import Refused
from ledger.approvals import Approvable, proposal_of
from ledger.errors import InvalidSignature
from ledger.records import KeyRole


class ApprovalRule(StrEnum):
    """Why the approvals of a proposal do not carry it."""

    NOT_ASCENDING = "G1"
    """The approvals are not sorted by key, each once."""
    NOT_AN_OPERATOR = "G2"
    """An approval by a key that is no operator's: (its place, from 0)."""
    TOO_FEW_VALIDATORS = "G3"
    """Those who approve run less than a quorum of the validators: (needed, run)."""
    NOT_SIGNED = "G4"
    """An approval whose signature does not verify: (its place, from 0)."""


def require(call: Call, body: Approvable) -> None:
    """Refuse the transaction unless its approvals carry it; signatures come last, for they are all that costs."""
    require_quorum(call, approving(call, body))
    check_signatures(call, body)


def approving(call: Call, body: Approvable) -> AbstractSet[str]:
    """Return the organisations that are said to approve; `check_signatures` says whether they do."""
    keys = [approval.key for approval in body.approvals]
    if keys != sorted(set(keys)):
        raise Refused(ApprovalRule.NOT_ASCENDING)
    organisations = set()
    for place, key in enumerate(keys):
        record = queries.key_record(call.context.before, key)
        if record is None or record.role is not KeyRole.OPERATOR:
            raise Refused(ApprovalRule.NOT_AN_OPERATOR, place)
        organisations.add(record.organisation)
    return organisations


def require_quorum(call: Call, organisations: AbstractSet[str]) -> None:
    """Refuse unless these organisations run a quorum of the validators."""
    validators = call.context.validators
    run = sum(member.organisation in organisations for member in validators.members)
    if run < validators.quorum:
        raise Refused(ApprovalRule.TOO_FEW_VALIDATORS, validators.quorum, run)


def check_signatures(call: Call, body: Approvable) -> None:
    """Refuse unless every approval is signed by the key that it names."""
    proposal = proposal_of(body)
    for place, approval in enumerate(body.approvals):
        try:
            approval.verify(proposal, chain_id=call.context.chain_id)
        except InvalidSignature as error:
            raise Refused(ApprovalRule.NOT_SIGNED, place) from error
