"""Shares add up and go to the largest remainders."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.shares import SHARE_ONE, shares
from tests.aggregation import oracle

amounts = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**130)), min_size=1, max_size=12)


@given(amounts)
@settings(deadline=None)
def test_shares_agree_with_the_oracle(values: list[int]) -> None:
    assert shares(values) == oracle.shares(values)


@given(amounts.filter(any))
@settings(deadline=None)
def test_shares_of_something_add_up_to_one(values: list[int]) -> None:
    assert sum(shares(values)) == SHARE_ONE


def test_shares_of_nothing_are_nothing() -> None:
    assert shares([0, 0]) == [0, 0]


def test_what_rounding_leaves_goes_to_the_earlier_of_equals() -> None:
    assert shares([1, 1, 1]) == [357913942, 357913941, 357913941]


def test_a_zero_amount_never_gets_a_remainder() -> None:
    assert shares([1, 0, 1, 1])[1] == 0
