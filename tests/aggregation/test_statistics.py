"""The coordinate-wise median of float buffers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.statistics import median
from tests.aggregation import oracle
from tests.aggregation.cases import exponents, quantised


@given(st.data(), st.integers(1, 9), exponents)
@settings(deadline=None)
def test_median_agrees_with_the_oracle(data: st.DataObject, count: int, exponent: int) -> None:
    columns = data.draw(st.lists(st.lists(quantised, min_size=count, max_size=count), min_size=1, max_size=4))
    block = np.array(columns, dtype=np.int32).T
    expected = [oracle.at_model_scale(oracle.median(column), exponent) for column in columns]
    assert median(block, exponent).tolist() == expected


def test_the_two_middle_values_are_averaged_without_loss_on_the_finest_grid() -> None:
    assert median(np.array([[1], [0], [-9], [9]], dtype=np.int32), 30).tolist() == [2]
