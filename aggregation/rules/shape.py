"""What all aggregation rules have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aggregation.errors import TooFewUpdates
from aggregation.fixed_point import Int32s, Int64s
from aggregation.reports import CutReason

INPUTS_MAX = 1_024
"""Most inputs that the widths of the integers are proved for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """What a rule makes of one block."""

    values: Int64s
    """One per column, at 2^-32."""
    influence: Sequence[int]
    """How much each input counted in this block, in a unit of which every column has the same amount."""


class AggregationRule(Protocol):
    """A rule for given weights and a given number of hostile participants."""

    cut_reason: CutReason
    """Why an input that counted nowhere did not."""

    def combine(self, block: Int32s, exponent: int) -> Combination:
        """Combine a block whose rows are the inputs by participant number, within UPDATE_MAGNITUDE_MAX."""
        ...


def check_inputs(inputs: int, faulty_max: int) -> None:
    """Raise TooFewUpdates unless a majority of the inputs is honest when `faulty_max` are not."""
    assert inputs <= INPUTS_MAX
    if inputs <= 2 * faulty_max:
        raise TooFewUpdates("updates", expected=f"at least {2 * faulty_max + 1} for b = {faulty_max}", got=inputs)
