"""Weighted mean: sum of a_i * q_i over sum of a_i (FedAvg, McMahan et al. 2017).

Symbols: q_i is input i, a_i its weight. Tolerates b = 0; its breakdown point is 0: one input moves the result as far
as its weight and norm let it. Example: inputs 1 and 4 with weights 2 and 1 give 2.
"""

import numpy as np

from aggregation.errors import InvalidInputs
from aggregation.fixed_point import DIVISOR_MAX, Int32s, Int64s, mean_at_model_scale
from aggregation.reports import CutReason
from aggregation.rules.shape import Combination, check_inputs


class WeightedMean:
    """The weighted mean of all inputs, exact until its one rounding."""

    __slots__ = ("_total", "_weights")
    cut_reason = CutReason.NO_WEIGHT

    def __init__(self, weights: tuple[int, ...], faulty_max: int) -> None:
        check_inputs(len(weights), faulty_max)
        self._weights = weights
        self._total = sum(weights)
        if min(weights) < 0 or not 1 <= self._total <= DIVISOR_MAX:
            raise InvalidInputs("weights", expected=f"a sum from 1 to {DIVISOR_MAX}", got=self._total)

    def combine(self, block: Int32s, exponent: int) -> Combination:
        """Return the mean; an input's influence is its weight in each column."""
        values = mean_at_model_scale(self._sum(block), self._total, exponent)
        columns = block.shape[1]
        return Combination(values=values, influence=[weight * columns for weight in self._weights])

    def _sum(self, block: Int32s) -> Int64s:
        """Return sum of a_i * q_i, below 2^54."""
        first = self._weights[0]
        total: Int64s
        if all(weight == first for weight in self._weights):
            total = np.add.reduce(block, axis=0, dtype=np.int64) * first
            return total
        total = np.zeros(block.shape[1], dtype=np.int64)
        for weight, row in zip(self._weights, block, strict=True):
            total += row * np.int64(weight)
        return total
