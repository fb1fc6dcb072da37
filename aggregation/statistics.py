"""Float buffers such as batch norm's running mean: the coordinate-wise median of the accepted updates.

They stay outside norm, Gram matrix and rule, whatever the task's rule is: a mean would let one participant move them
anywhere, and weighing them against weights would compare quantities of different kinds.
"""

from aggregation.fixed_point import MODEL_EXPONENT, Int32s, Int64s
from aggregation.selection import select


def median(block: Int32s, exponent: int) -> Int64s:
    """Return each column's median at 2^-32, for an even number the mean of the two middle values.

    Half a step of the coarsest or finest grid is a whole number of steps of 2^-32, so nothing is rounded.
    """
    inputs = len(block)
    lower, upper = select(block, ((inputs - 1) // 2, inputs // 2))
    return (lower.astype("int64") + upper) << (MODEL_EXPONENT - exponent - 1)
