"""Errors of consensus, by whose fault they are.

QuorateError
├── ProtocolViolation    a peer sent something that the protocol forbids: drop it, count it
├── Unsafe               our own engine asked for a vote that must not be signed: a bug or a damaged disk
└── StateDivergence      a certified block does not execute to its own header here: stop before doing harm
"""

from ledger.errors import QuorateError
from ledger.quantities import ValidatorId


class ProtocolViolation(QuorateError):
    """A peer sent something that the protocol forbids."""

    code = "protocol-violation"

    def __init__(self, sender: ValidatorId, what: str, *, expected: object = None, got: object = None) -> None:
        super().__init__(f"validator {sender}: {what}", expected=expected, got=got)
        self.sender = sender


class Unsafe(QuorateError):
    """`SafetyRules` refused to sign: the vote would contradict what was signed before."""

    code = "unsafe-vote"
    exit_code = 70


class StateDivergence(QuorateError):
    """A block that a quorum has decided does not execute here to the roots in its header; the node must stop."""

    code = "state-divergence"
    exit_code = 70
    hint = "Compare software versions between validators; then restore this node from a verified snapshot."
