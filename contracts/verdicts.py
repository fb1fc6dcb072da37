"""What a contract returns: a verdict, the state it writes, and what it asks to be done at the end of the block.

A refusal comes only from an enumerated set (rule number and integers), so inside the contracts it is an exception of
its own, `Refused`; `contracts.execution` turns exactly that one into a `Rejected` receipt. Whatever else is raised
there is a bug and stops the node: a failure is not a verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeAlias

from ledger.entries import Accepted, Rejected, Verdict
from ledger.quantities import U63_MAX, RoundNumber

StateWrites: TypeAlias = Mapping[bytes, bytes | None]
"""Values by key; None deletes."""


class FollowUpKind(IntEnum):
    """What may follow from a block's transactions, in the order in which it is carried out."""

    SETTLE = 1
    """Count a round's attestations: decide the round, halt the task, or wait."""
    OPEN = 2
    """Open a new task's first round."""
    CLOSE = 3
    """Close a round if every invited participant still has an accepted update."""


class FollowUp(NamedTuple):
    """Something to do once all transactions of the block are judged; sorts by kind, task, round."""

    kind: FollowUpKind
    task: str
    round: RoundNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and its effects."""

    verdict: Verdict
    writes: StateWrites = field(default_factory=dict)
    """A refusal may write too: a used attempt, the mark of a late update."""
    follow_ups: tuple[FollowUp, ...] = ()


class Refused(Exception):
    """A rule of a contract refuses the transaction; never leaves this package."""

    def __init__(self, rule: StrEnum, *values: int) -> None:
        super().__init__(rule, *values)
        self.rejected = Rejected(rule=str(rule), values=tuple(min(value, U63_MAX) for value in values))

    def judgement(self, writes: StateWrites | None = None) -> Judgement:
        """Return the refusal as a judgement that writes nothing but `writes`."""
        return Judgement(verdict=self.rejected, writes=writes or {})


def accept(*values: int, writes: StateWrites, follow_ups: tuple[FollowUp, ...] = ()) -> Judgement:
    """Return the judgement that the transaction takes effect."""
    return Judgement(verdict=Accepted(values=values), writes=writes, follow_ups=follow_ups)
