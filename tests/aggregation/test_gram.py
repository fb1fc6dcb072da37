"""The Gram matrix equals the one of Python's integers, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation import gram as engine
from aggregation.errors import ValueOutOfRange
from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX
from aggregation.gram import PRODUCTS_MAX, TERMS, contributions, duplicates, gram
from ledger.tasks import Layout, Role, TensorSpec
from tests.aggregation import oracle
from tests.aggregation.cases import arrays, integer_rows, layouts, one_weight


@given(st.data(), layouts(), st.integers(1, 7), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_gram_agrees_with_the_oracle(data: st.DataObject, layout: Layout, count: int, block: int) -> None:
    rows = data.draw(integer_rows(layout, count))
    got = gram([arrays(row, np.int32) for row in rows], layout, block_columns=block)
    assert got == oracle.gram(rows, layout)


@pytest.mark.parametrize("block", [100, TERMS, 700, 8192, 2**18])
def test_the_largest_values_stay_exact(block: int) -> None:
    elements = 40_001
    signs = np.where(np.arange(elements) % 3 == 0, -1, 1).astype(np.int32)
    rows = [
        {"w": np.full(elements, UPDATE_MAGNITUDE_MAX, dtype=np.int32)},
        {"w": signs * np.int32(UPDATE_MAGNITUDE_MAX)},
        {"w": signs * np.int32(UPDATE_MAGNITUDE_MAX - 1)},
    ]
    layout = one_weight(elements, exponent=30)
    assert gram(rows, layout, block_columns=block) == oracle.gram([{"w": row["w"].tolist()} for row in rows], layout)


def test_a_tensor_of_more_products_than_an_int64_holds_is_exact() -> None:
    elements = (PRODUCTS_MAX + 40) * TERMS
    row = {"w": np.full(elements, -UPDATE_MAGNITUDE_MAX, dtype=np.int32)}
    assert gram([row], one_weight(elements, exponent=30)) == [[elements * UPDATE_MAGNITUDE_MAX**2]]
    assert elements * UPDATE_MAGNITUDE_MAX**2 > 2**63


def test_blocks_never_span_tensors() -> None:
    layout = Layout(
        tensors=(
            TensorSpec(name="coarse", shape=(3,), exponent=2, role=Role.WEIGHT),
            TensorSpec(name="fine", shape=(3,), exponent=30, role=Role.WEIGHT),
        )
    )
    row = {"coarse": np.array([1, 0, 0], dtype=np.int32), "fine": np.array([0, 0, 1], dtype=np.int32)}
    assert gram([row], layout) == [[4**28 + 1]]


def test_rows_out_of_range_are_refused() -> None:
    with pytest.raises(ValueOutOfRange):
        gram([{"w": np.array([0, -(2**31)], dtype=np.int32)}], one_weight(2))


def test_duplicates_name_the_first_equal_row() -> None:
    rows = [arrays({"w": values}, np.int32) for values in ([1, 2], [0, 0], [1, 2], [2, 4], [1, 2], [0, 0])]
    assert duplicates(gram(rows, one_weight(2))) == [None, None, 0, None, 0, 1]


def test_contributions_are_products_with_the_weighted_sum_and_never_negative() -> None:
    rows = [arrays({"w": values}, np.int32) for values in ([3, 0], [-1, 0], [0, 2])]
    assert contributions(gram(rows, one_weight(2, exponent=30)), [2, 1, 1]) == [15, 0, 4]


def test_the_bound_on_terms_is_tight_for_float64() -> None:
    assert TERMS * UPDATE_MAGNITUDE_MAX**2 == 2**53
    assert engine.PRODUCTS_MAX * 2**53 < 2**63 <= (engine.PRODUCTS_MAX + 1) * 2**53
