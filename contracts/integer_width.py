"""How wide the integers of an aggregation may become: what a task needs beyond 62 bits is refused at registration.

An update's integer is at most 2^22 in magnitude. A combination is the sum of w_i * q_i over the inputs, divided by the
total weight W (the number of inputs where all count the same, or fewer where a rule drops some) and written at 2^-32.
With q, r = divmod(sum, W), this is (q << k) + round((r << k) / W), where k = 32 - s and s is the coarsest exponent of
the layout. So three integers matter: the sum, the quotient shifted, and the remainder shifted.
"""

from ledger.tasks import CappedExamples, WeightPolicy

INTEGER_BITS_MAX = 62
"""An int64 less its sign, less one bit for the additions between."""
TOTAL_WEIGHT_MAX = 2**32 - 1
"""Largest total of the weights of one round."""
_UPDATE_BITS = 22
_MODEL_EXPONENT = 32


def bits(weights: WeightPolicy, *, inputs: int, exponent_min: int) -> int:
    """Return the bits of the largest magnitude that aggregating up to `inputs` updates can meet.

    The bound holds for the mean and for the trimmed mean alike: dropping inputs makes every integer smaller.
    """
    total = TOTAL_WEIGHT_MAX if isinstance(weights, CappedExamples) else inputs
    shift = _MODEL_EXPONENT - exponent_min
    of_sum = _UPDATE_BITS + (total - 1).bit_length()
    of_quotient = _UPDATE_BITS + shift
    of_remainder = (total - 1).bit_length() + shift
    return max(of_sum, of_quotient, of_remainder)
