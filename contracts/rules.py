"""Every rule by which a contract may refuse a transaction, for whoever has to put a receipt into words."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from contracts.approvals import ApprovalRule
from contracts.attestations import AttestationRule
from contracts.blobs import BlobRule
from contracts.enrolment import EnrolmentRule
from contracts.equivocation import EquivocationRule
from contracts.protocols import ProtocolRule
from contracts.seats import MembershipRule
from contracts.tasks import TaskRule
from contracts.updates import UpdateRule
from contracts.withdrawals import WithdrawalRule

_BODIES: tuple[type[StrEnum], ...] = (
    EnrolmentRule,
    TaskRule,
    BlobRule,
    UpdateRule,
    WithdrawalRule,
    AttestationRule,
    ApprovalRule,
    MembershipRule,
    EquivocationRule,
    ProtocolRule,
)

ALL_RULES: Mapping[str, str] = MappingProxyType(
    {str(rule): rule.name.lower().replace("_", "-") for body in _BODIES for rule in body}
)
"""Short name of each rule by its number, such as U12: norm-over-bound."""
