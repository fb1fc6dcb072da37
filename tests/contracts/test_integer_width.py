"""The widths that registration goes by bound the integers that an aggregation really meets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.integer_width import INTEGER_BITS_MAX, TOTAL_WEIGHT_MAX, bits
from ledger.tasks import EXPONENT_MIN, CappedExamples, EqualWeights

LARGEST = 2**22


@given(
    capped=st.booleans(),
    inputs=st.integers(min_value=1, max_value=1_024),
    exponent=st.integers(min_value=2, max_value=30),
    data=st.data(),
)
@settings(deadline=None)
def test_no_integer_is_wider_than_stated(*, capped: bool, inputs: int, exponent: int, data: st.DataObject) -> None:
    policy = CappedExamples() if capped else EqualWeights()
    width = bits(policy, inputs=inputs, exponent_min=exponent)
    total = data.draw(st.integers(min_value=1, max_value=TOTAL_WEIGHT_MAX if capped else inputs))
    weighted = data.draw(st.integers(min_value=-LARGEST * total, max_value=LARGEST * total))
    quotient, remainder = divmod(weighted, total)
    for met in (weighted, quotient << (32 - exponent), remainder << (32 - exponent)):
        assert abs(met) <= 2**width


def test_the_widest_task_just_fits() -> None:
    assert bits(CappedExamples(), inputs=1_024, exponent_min=EXPONENT_MIN) == INTEGER_BITS_MAX
    assert bits(CappedExamples(), inputs=1_024, exponent_min=EXPONENT_MIN - 1) == INTEGER_BITS_MAX + 1


def test_equal_weights_are_bound_by_the_result() -> None:
    assert bits(EqualWeights(), inputs=1_024, exponent_min=2) == 52
    assert bits(EqualWeights(), inputs=1_024, exponent_min=30) == 32
    assert bits(EqualWeights(), inputs=1, exponent_min=30) == 24
