"""The exact Gram matrix of the updates, at the speed of BLAS; norms, duplicates and contributions come from it.

A dot product of K integers of magnitude 2^B is exact in float64, in any order and with or without fused multiply-add,
while 2B + log2 K <= 53: every partial sum is an integer that float64 holds. B = 22 gives K = 512. Blocks never span
tensors, since tensors differ in scale; the sum over them is G = sum over t of 4^(30 - s_t) * G_t, in units of 2^-60.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from aggregation.blocks import BLOCK_COLUMNS, Row, gather, spans
from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX, Int32s, Int64s
from aggregation.layouts import weight_tensors
from ledger.tasks import EXPONENT_MAX, Layout, TensorSpec

TERMS = 512
"""K: terms of one product in float64."""
PRODUCTS_MAX = 1_023
"""So many results of TERMS terms, 2^53 each, add up within an int64."""

assert UPDATE_MAGNITUDE_MAX**2 * TERMS <= 2**53
assert PRODUCTS_MAX * 2**53 < 2**63

Gram = list[list[int]]
"""Entry [i][j] is the dot product of inputs i and j over the weights, in units of 2^-60."""


def gram(rows: Sequence[Row], layout: Layout, *, block_columns: int = BLOCK_COLUMNS) -> Gram:
    """Return the Gram matrix of the inputs; raises ValueOutOfRange."""
    total = np.zeros((len(rows), len(rows)), dtype=object)  # of Python integers, which do not overflow
    for tensor in weight_tensors(layout):
        scale = 1 << 2 * (EXPONENT_MAX - tensor.exponent)
        for part in _parts(rows, tensor, block_columns):
            total += part.astype(object) * scale
    return [[int(entry) for entry in line] for line in total]


def _parts(rows: Sequence[Row], tensor: TensorSpec, block_columns: int) -> Iterator[Int64s]:
    """Yield matrices that add up to one tensor's, each the sum of at most PRODUCTS_MAX products."""
    pending = np.zeros((len(rows), len(rows)), dtype=np.int64)
    products = 0
    for span in spans(tensor.elements, block_columns):
        block = gather(rows, tensor, span)
        more = -(-block.shape[1] // TERMS)
        if products + more > PRODUCTS_MAX:
            yield pending
            pending, products = np.zeros_like(pending), 0
        pending += _of_block(block)
        products += more
    yield pending


def _of_block(block: Int32s) -> Int64s:
    """Return the Gram matrix of a block, TERMS columns at a time."""
    inputs, columns = block.shape
    whole = columns - columns % TERMS
    wide = block.astype(np.float64)
    pieces = wide[:, :whole].reshape(inputs, -1, TERMS).transpose(1, 0, 2)
    rest = wide[:, whole:]
    total: Int64s = np.matmul(pieces, pieces.transpose(0, 2, 1)).astype(np.int64).sum(axis=0)
    total += np.matmul(rest, rest.T).astype(np.int64)
    return total


def duplicates(matrix: Gram) -> list[int | None]:
    """Return for each input the first one, before it, from which its distance is zero."""
    return [
        next((j for j in range(i) if matrix[i][i] + matrix[j][j] == 2 * matrix[i][j]), None) for i in range(len(matrix))
    ]


def contributions(matrix: Gram, coefficients: Sequence[int]) -> list[int]:
    """Return each input's dot product with the weighted sum of all, or zero where negative (Xu et al. 2021)."""
    return [
        max(0, sum(entry * coefficient for entry, coefficient in zip(line, coefficients, strict=True)))
        for line in matrix
    ]
