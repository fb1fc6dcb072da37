"""Whole parts of one: how a report says who counted how much, in integers that add up."""

from collections.abc import Sequence

SHARE_ONE = 2**30
"""One, in the unit of coefficients, clip factors and contributions."""


def shares(amounts: Sequence[int]) -> list[int]:
    """Return amounts / their sum in units of 2^-30, adding up to exactly one; all zero where the sum is.

    Each is rounded down, and what is missing goes one by one to the largest remainders, the earlier input first.
    """
    total = sum(amounts)
    if total == 0:
        return [0] * len(amounts)
    parts = [divmod(amount * SHARE_ONE, total) for amount in amounts]
    result = [quotient for quotient, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))
    for place in by_remainder[: SHARE_ONE - sum(result)]:
        result[place] += 1
    return result
