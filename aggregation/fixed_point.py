"""Numbers on a grid: an update's integer q stands for q * 2^-s, a global model's g for g * 2^-32.

Rounding is half to even everywhere: flooring would bias every round by nearly half a step of the grid. Bounds are
chosen so that each step below is exact in int64 or float64, and what passes a bound is refused, never saturated.
"""

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from aggregation.errors import NotFinite, ValueOutOfRange
from ledger.tasks import EXPONENT_MAX, EXPONENT_MIN

Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
Float32s: TypeAlias = NDArray[np.float32]
Float64s: TypeAlias = NDArray[np.float64]
Integers = TypeVar("Integers", Int32s, Int64s)

UPDATE_MAGNITUDE_MAX = 2**22
"""Bound on |q|: products of 512 pairs are then exact in float64 (`aggregation.gram`)."""
MODEL_EXPONENT = 32
"""Global models are committed at 2^-32, finer than any update, so that a round rounds only once."""
MODEL_MAGNITUDE_MAX = 2**52
"""Bound on |g|, a value of 2^20: exact in float64, so that the float32 view is rounded only once."""
DIVISOR_MAX = 2**32 - 1
"""Largest sum of weights."""


def magnitude(block: Int32s | Int64s) -> int:
    """Return the largest absolute value; unlike numpy's `abs` also right for the most negative integer."""
    return max(-int(block.min()), int(block.max()))


def check_magnitude(what: str, block: Integers, bound: int) -> Integers:
    """Return `block`; raises ValueOutOfRange when a value lies beyond `bound` on either side."""
    found = magnitude(block)
    if found > bound:
        raise ValueOutOfRange(what, expected=f"at most {bound} in magnitude", got=found)
    return block


def quantise(what: str, delta: Float64s, exponent: int) -> Int32s:
    """Return `delta` in steps of 2^-exponent, rounded half to even; raises NotFinite or ValueOutOfRange."""
    return _rounded(what, delta, exponent, UPDATE_MAGNITUDE_MAX).astype(np.int32)


def model_from_float32(what: str, values: Float32s) -> Int64s:
    """Return imported weights in steps of 2^-32, rounded half to even; raises NotFinite or ValueOutOfRange."""
    return _rounded(what, values.astype(np.float64), MODEL_EXPONENT, MODEL_MAGNITUDE_MAX).astype(np.int64)


def _rounded(what: str, values: Float64s, exponent: int, bound: int) -> Float64s:
    finite = np.isfinite(values)
    if not finite.all():
        others = int(finite.size - np.count_nonzero(finite))
        raise NotFinite(what, expected="finite numbers", got=f"{others} that are NaN or infinite")
    with np.errstate(over="ignore"):  # infinity is out of range, and said so below
        steps = np.rint(values * float(1 << exponent))  # scaling by a power of two is exact
    beyond = np.abs(steps) > bound
    if beyond.any():
        raise ValueOutOfRange(
            what, expected=f"at most {bound / (1 << exponent):g} in magnitude", got=f"{float(values[beyond][0]):g}"
        )
    return steps


def divide_half_even(numerator: Int64s, divisor: int) -> Int64s:
    """Return numerator / divisor, rounded half to even; 1 <= divisor <= DIVISOR_MAX."""
    assert 1 <= divisor <= DIVISOR_MAX
    quotient = numerator // divisor
    twice = (numerator - quotient * divisor) * 2
    up: NDArray[np.bool_] = (twice > divisor) | ((twice == divisor) & (quotient & 1 == 1))
    return quotient + up


def mean_at_model_scale(total: Int64s, divisor: int, exponent: int) -> Int64s:
    """Return total / divisor, a mean of update integers at 2^-exponent, at 2^-32 and rounded once, half to even.

    Exact for |total| <= divisor * UPDATE_MAGNITUDE_MAX: the remainder is below 2^32 and is shifted by 30 at most.
    """
    assert EXPONENT_MIN <= exponent <= EXPONENT_MAX
    shift = MODEL_EXPONENT - exponent
    quotient = total // divisor
    remainder = total - quotient * divisor
    return (quotient << shift) + divide_half_even(remainder << shift, divisor)


def view_of(values: Int64s) -> Float32s:
    """Return a model's integers as float32, each correctly rounded; for |g| <= MODEL_MAGNITUDE_MAX."""
    return (values.astype(np.float64) * 2.0**-MODEL_EXPONENT).astype(np.float32)
