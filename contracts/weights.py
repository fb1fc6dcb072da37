"""How much each accepted update counts; fixed when its round closes.

Under `CappedExamples` an update counts a_i = min(reported, registered, T), T the largest integer with
T * (2b+1) <= sum_j min(a_j, T), so that no input has more than 1/(2b+1) of the total. T = 0 means that all count the
same. Registration keeps the total below 2^32.
"""

from collections.abc import Sequence

from contracts.integer_width import TOTAL_WEIGHT_MAX
from ledger.tasks import CappedExamples, WeightPolicy


def weights(policy: WeightPolicy, examples: Sequence[tuple[int, int]], *, faulty_max: int) -> tuple[int, ...]:
    """Return the weight of each input from its (reported, registered) examples, with b = `faulty_max`."""
    equal = (1,) * len(examples)
    if not isinstance(policy, CappedExamples):
        return equal
    counted = [min(reported, registered) for reported, registered in examples]
    cap = _largest_cap(counted, share=2 * faulty_max + 1)
    if cap == 0:
        return equal
    result = tuple(min(count, cap) for count in counted)
    assert sum(result) <= TOTAL_WEIGHT_MAX, "registration bounds the registered examples"
    return result


def _largest_cap(counted: Sequence[int], *, share: int) -> int:
    """Return the largest T with T * share <= sum of min(count, T): the sum is concave in T, so bisection finds it."""
    low, high = 0, sum(counted) // share
    while low < high:
        middle = (low + high + 1) // 2
        if middle * share <= sum(min(count, middle) for count in counted):
            low = middle
        else:
            high = middle - 1
    return low
