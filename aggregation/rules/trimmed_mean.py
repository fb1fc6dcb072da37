"""Coordinate-wise trimmed mean: drop the b lowest and the b highest values, average the rest (Yin et al. 2018).

Symbols: n inputs, of which b may be hostile; ties are broken by participant number. It is (b, kappa)-robust with
kappa = 6r(1 + r), r = b / (n - 2b) (Allouah et al. 2023); breakdown point b / n, and n > 2b is required. Each result
lies between the lowest and the highest honest value. Example, b = 1: inputs 1, 2, 3, 900 give 2.5.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregation.errors import InvalidInputs
from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX, Int32s, Int64s, mean_at_model_scale
from aggregation.reports import CutReason
from aggregation.rules.shape import INPUTS_MAX, Combination, check_inputs
from aggregation.selection import select

_NARROW_INPUTS_MAX = 256
"""Up to here a value and its row fit one int32."""

assert UPDATE_MAGNITUDE_MAX * _NARROW_INPUTS_MAX + _NARROW_INPUTS_MAX <= 2**31


class CoordinateTrimmedMean:
    """The mean of each column's middle values; all inputs count alike."""

    __slots__ = ("_faulty_max",)
    cut_reason = CutReason.ALL_TRIMMED

    def __init__(self, weights: tuple[int, ...], faulty_max: int) -> None:
        check_inputs(len(weights), faulty_max)
        if min(weights) != 1 or max(weights) != 1:
            raise InvalidInputs("weights for a trimmed mean", expected="1 each", got=f"{min(weights)}..{max(weights)}")
        self._faulty_max = faulty_max

    def combine(self, block: Int32s, exponent: int) -> Combination:
        """Return the trimmed mean; an input's influence is the number of columns in which it was kept."""
        kept = self._kept(block)
        total: Int64s = np.sum(block * kept, axis=0, dtype=np.int64)
        values = mean_at_model_scale(total, len(block) - 2 * self._faulty_max, exponent)
        return Combination(values=values, influence=np.count_nonzero(kept, axis=1).tolist())

    def _kept(self, block: Int32s) -> NDArray[np.bool_]:
        """Return where an input lies between the lowest and the highest kept one.

        A value and its row's number are one integer, so that all keys of a column differ and order breaks ties.
        """
        keys: NDArray[np.signedinteger[Any]]
        if len(block) <= _NARROW_INPUTS_MAX:
            keys = block * np.int32(_NARROW_INPUTS_MAX) + np.arange(len(block), dtype=np.int32)[:, np.newaxis]
        else:
            keys = block * np.int64(INPUTS_MAX) + np.arange(len(block), dtype=np.int64)[:, np.newaxis]
        lowest, highest = select(keys, (self._faulty_max, len(block) - 1 - self._faulty_max))
        return (keys >= lowest) & (keys <= highest)
