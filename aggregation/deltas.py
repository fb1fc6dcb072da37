"""The participant's side: from trained weights to the integers of an update, and clipping on those integers.

The delta is taken against the float32 view that training started from, in float64. What rounding leaves over is
carried into the next round's delta, so that small steps add up instead of vanishing.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregation.blocks import Row
from aggregation.canonical_file import flat
from aggregation.fixed_point import Float32s, Float64s, Int32s, quantise
from aggregation.layouts import update_tensors
from aggregation.update_file import norm_squared
from ledger.tasks import Layout, Role

_FACTOR_BITS = 30
"""A clip factor is an integer over 2^30."""


def encode_delta(
    layout: Layout,
    base_view: Mapping[str, Float32s],
    trained: Mapping[str, NDArray[Any]],
    residue: Mapping[str, Float64s] | None = None,
) -> tuple[dict[str, Int32s], dict[str, Float64s]]:
    """Return an update's flat integers and what rounding left over, to be passed as the next round's `residue`.

    Tensors that updates do not hold are ignored. Never carry a residue when noise is added: it would undo the noise.
    Raises LayoutMismatch, NotFinite or ValueOutOfRange.
    """
    row, left_over = {}, {}
    for tensor in update_tensors(layout):
        delta = flat(tensor, trained).astype(np.float64) - flat(tensor, base_view).astype(np.float64)
        if residue is not None:
            delta += flat(tensor, residue)
        row[tensor.name] = quantise(f"update of {tensor.name}", delta, tensor.exponent)
        left_over[tensor.name] = delta - row[tensor.name] * 2.0**-tensor.exponent
    return row, left_over


def clip_to_norm(row: Row, layout: Layout, norm_max: int) -> dict[str, Int32s]:
    """Return the update scaled down so that its norm over the weights is at most `norm_max`, in units of 2^-30.

    Integers are scaled by isqrt(C^2 / norm^2) and rounded toward zero, so norm^2 <= C^2 holds exactly afterwards; an
    update within the bound and all statistics stay as they are. Raises ValueOutOfRange.
    """
    squared = norm_squared(row, layout)
    if squared <= norm_max**2:
        return dict(row)
    factor = isqrt((norm_max**2 << 2 * _FACTOR_BITS) // squared)
    clipped = dict(row)
    for tensor in update_tensors(layout):
        if tensor.role is Role.WEIGHT:
            wide = row[tensor.name].astype(np.int64)
            scaled = np.sign(wide) * ((np.abs(wide) * factor) >> _FACTOR_BITS)
            clipped[tensor.name] = scaled.astype(np.int32)
    return clipped
