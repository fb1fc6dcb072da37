"""The sorting network, against sorting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.selection import _network, select


@given(st.data(), st.integers(1, 40))
@settings(deadline=None)
def test_selected_ranks_are_those_of_sorted_columns(data: st.DataObject, rows: int) -> None:
    columns = data.draw(st.integers(1, 5))
    numbers = st.lists(st.integers(-3, 3), min_size=columns, max_size=columns)
    block = np.array(data.draw(st.lists(numbers, min_size=rows, max_size=rows)), dtype=np.int32)
    ranks = tuple(data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=3)))
    got = select(block, ranks)
    expected = np.sort(block, axis=0)
    assert [row.tolist() for row in got] == [expected[rank].tolist() for rank in ranks]


@pytest.mark.parametrize("rows", range(1, 13))
def test_network_sorts_every_pattern_of_zeros_and_ones(rows: int) -> None:
    """By the 0-1 principle (Knuth 5.3.4, theorem Z) it then sorts everything."""
    patterns = np.array([[number >> row & 1 for number in range(2**rows)] for row in range(rows)], dtype=np.int32)
    got = np.stack(select(patterns, tuple(range(rows))))
    assert (got == np.sort(patterns, axis=0)).all()


def test_rows_that_are_selected_from_stay_as_they_are() -> None:
    block = np.array([[3], [1], [2]], dtype=np.int32)
    select(block, (0, 1, 2))
    assert block.tolist() == [[3], [1], [2]]


def test_pruning_drops_comparators() -> None:
    assert len(_network(25, (0,))) == 24 < len(_network(25, (12,))) < len(_network(25, tuple(range(25))))
