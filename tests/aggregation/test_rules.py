"""Rules on one block: exactness, ties, breakdown, and what they refuse."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.errors import InvalidInputs, TooFewUpdates
from aggregation.fixed_point import DIVISOR_MAX, UPDATE_MAGNITUDE_MAX
from aggregation.rules import RULES
from aggregation.rules.mean import WeightedMean
from aggregation.rules.shape import INPUTS_MAX
from aggregation.rules.trimmed_mean import CoordinateTrimmedMean
from ledger.tasks import Rule
from tests.aggregation import oracle
from tests.aggregation.cases import exponents, quantised


@st.composite
def columns(draw: st.DrawFn, count: int) -> list[list[int]]:
    return draw(st.lists(st.lists(quantised, min_size=count, max_size=count), min_size=1, max_size=4))


def test_every_rule_that_a_task_may_name_has_an_implementation() -> None:
    assert set(RULES) == set(get_args(Rule))


@given(st.data(), st.integers(1, 9), exponents)
@settings(deadline=None)
def test_mean_agrees_with_the_oracle(data: st.DataObject, count: int, exponent: int) -> None:
    drawn = data.draw(columns(count))
    weight = st.one_of(st.integers(0, 3), st.integers(1, DIVISOR_MAX // count))
    weights = tuple(data.draw(st.lists(weight, min_size=count, max_size=count).filter(any)))
    got = WeightedMean(weights, 0).combine(np.array(drawn, dtype=np.int32).T, exponent)
    assert got.values.tolist() == [
        oracle.at_model_scale(oracle.weighted_mean(column, weights), exponent) for column in drawn
    ]
    assert list(got.influence) == [weight * len(drawn) for weight in weights]


def test_weights_that_sum_to_their_number_are_not_taken_for_equal() -> None:
    got = WeightedMean((1, 0, 2), 0).combine(np.array([[3], [300], [6]], dtype=np.int32), 20)
    assert got.values.tolist() == [5 << 12]


@given(st.data(), st.integers(1, 9), exponents)
@settings(deadline=None, max_examples=200)
def test_trimmed_mean_agrees_with_the_oracle(data: st.DataObject, count: int, exponent: int) -> None:
    faulty_max = data.draw(st.integers(0, (count - 1) // 2))
    drawn = data.draw(columns(count))
    got = CoordinateTrimmedMean((1,) * count, faulty_max).combine(np.array(drawn, dtype=np.int32).T, exponent)
    assert got.values.tolist() == [
        oracle.at_model_scale(oracle.trimmed_mean(column, faulty_max), exponent) for column in drawn
    ]
    kept = [oracle.kept_by_trimming(column, faulty_max) for column in drawn]
    assert list(got.influence) == [sum(place in places for places in kept) for place in range(count)]


@pytest.mark.parametrize("count", [255, 256, 257, INPUTS_MAX])
def test_trimmed_mean_is_exact_where_its_integers_grow_wider(count: int) -> None:
    numbers = np.random.default_rng(count).integers(-UPDATE_MAGNITUDE_MAX, UPDATE_MAGNITUDE_MAX, count)
    extreme = np.where(np.arange(count) % 2 == 0, UPDATE_MAGNITUDE_MAX, -UPDATE_MAGNITUDE_MAX)
    equal = np.full(count, UPDATE_MAGNITUDE_MAX)
    faulty_max = (count - 1) // 3
    neighbours = np.where(np.arange(count) < count - faulty_max, 1, 0)
    block = np.stack([numbers, extreme, equal, -equal, neighbours], axis=1).astype(np.int32)
    got = CoordinateTrimmedMean((1,) * count, faulty_max).combine(block, 2)
    drawn = block.T.tolist()
    assert got.values.tolist() == [
        oracle.at_model_scale(oracle.trimmed_mean(column, faulty_max), 2) for column in drawn
    ]
    kept = [oracle.kept_by_trimming(column, faulty_max) for column in drawn]
    assert list(got.influence) == [sum(place in places for places in kept) for place in range(count)]


def test_ties_drop_the_earlier_participant_below_and_the_later_above() -> None:
    block = np.array([[5], [5], [5], [5]], dtype=np.int32)
    assert list(CoordinateTrimmedMean((1,) * 4, 1).combine(block, 20).influence) == [0, 1, 1, 0]


@given(st.data(), st.integers(0, 4), st.integers(1, 5))
@settings(deadline=None)
def test_hostile_rows_cannot_move_a_trimmed_mean_out_of_the_honest_range(
    data: st.DataObject, faulty_max: int, spare: int
) -> None:
    honest = faulty_max + spare
    drawn = data.draw(columns(honest))
    hostile = data.draw(st.lists(st.lists(quantised, min_size=faulty_max, max_size=faulty_max), min_size=4, max_size=4))
    mixed = [data.draw(st.permutations(column + hostile[place])) for place, column in enumerate(drawn)]
    rule = CoordinateTrimmedMean((1,) * (honest + faulty_max), faulty_max)
    got = rule.combine(np.array(mixed, dtype=np.int32).T, 20).values
    for column, value in zip(drawn, got.tolist(), strict=True):
        assert min(column) << 12 <= value <= max(column) << 12


def test_one_hostile_row_moves_the_mean_out_of_the_honest_range() -> None:
    block = np.array([[1], [2], [3], [UPDATE_MAGNITUDE_MAX]], dtype=np.int32)
    assert WeightedMean((1,) * 4, 0).combine(block, 20).values[0] > 3 << 12


@pytest.mark.parametrize("rule", [CoordinateTrimmedMean, WeightedMean])
@pytest.mark.parametrize(("count", "faulty_max"), [(2, 1), (4, 2), (1, 1)])
def test_no_honest_majority_is_refused(
    rule: type[WeightedMean | CoordinateTrimmedMean], count: int, faulty_max: int
) -> None:
    with pytest.raises(TooFewUpdates, match=f"at least {2 * faulty_max + 1}"):
        rule((1,) * count, faulty_max)


@pytest.mark.parametrize("weights", [(0, 0), (DIVISOR_MAX, 1), (-1, 2)])
def test_mean_refuses_weights_that_its_arithmetic_cannot_take(weights: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputs):
        WeightedMean(weights, 0)


@pytest.mark.parametrize("weights", [(1, 2, 1), (0, 1, 1), (2, 2, 2)])
def test_trimmed_mean_refuses_weights(weights: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputs):
        CoordinateTrimmedMean(weights, 1)
