"""Rounding, scaling and bounds of the grid, against fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.errors import NotFinite, ValueOutOfRange
from aggregation.fixed_point import (
    DIVISOR_MAX,
    MODEL_MAGNITUDE_MAX,
    UPDATE_MAGNITUDE_MAX,
    check_magnitude,
    divide_half_even,
    magnitude,
    mean_at_model_scale,
    model_from_float32,
    quantise,
    view_of,
)
from tests.aggregation.cases import exponents

numerators = st.lists(st.integers(-(2**61), 2**61), min_size=1, max_size=8)


@given(numerators, st.one_of(st.integers(1, 12), st.integers(1, DIVISOR_MAX)))
@settings(deadline=None)
def test_division_rounds_half_to_even(numbers: list[int], divisor: int) -> None:
    got = divide_half_even(np.array(numbers, dtype=np.int64), divisor)
    assert got.tolist() == [round(Fraction(number, divisor)) for number in numbers]


def test_division_of_halves_goes_to_the_even_neighbour() -> None:
    assert divide_half_even(np.array([-7, -5, -3, -1, 1, 3, 5, 7]), 2).tolist() == [-4, -2, -2, 0, 0, 2, 2, 4]


@given(st.data(), exponents, st.one_of(st.integers(1, 9), st.integers(1, DIVISOR_MAX)))
@settings(deadline=None)
def test_mean_is_rounded_once_at_the_models_scale(data: st.DataObject, exponent: int, divisor: int) -> None:
    bound = divisor * UPDATE_MAGNITUDE_MAX
    totals = data.draw(st.lists(st.one_of(st.integers(-bound, bound), st.just(bound), st.just(-bound)), min_size=1))
    got = mean_at_model_scale(np.array(totals, dtype=np.int64), divisor, exponent)
    assert got.tolist() == [round(Fraction(total, divisor) * 2 ** (32 - exponent)) for total in totals]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), exponents)
@settings(deadline=None)
def test_quantising_rounds_half_to_even_on_the_grid(values: list[float], exponent: int) -> None:
    bound = UPDATE_MAGNITUDE_MAX / 2**exponent
    scaled = np.array(values) * min(1.0, bound)
    got = quantise("delta", scaled, exponent)
    assert got.dtype == np.int32
    assert got.tolist() == [round(Fraction(value) * 2**exponent) for value in scaled.tolist()]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_quantising_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(NotFinite):
        quantise("delta", np.array([0.0, value]), 20)


@pytest.mark.parametrize("value", [4.0 + 2.0**-20, -4.0 - 2.0**-20, 1e300, -1.7e308])
def test_quantising_refuses_rather_than_saturates(value: float) -> None:
    with pytest.raises(ValueOutOfRange):
        quantise("delta", np.array([0.0, value]), 20)


def test_quantising_takes_the_bound_itself() -> None:
    assert quantise("delta", np.array([4.0, -4.0]), 20).tolist() == [UPDATE_MAGNITUDE_MAX, -UPDATE_MAGNITUDE_MAX]


@given(st.lists(st.floats(-(2.0**20), 2.0**20, width=32), min_size=1, max_size=8))
@settings(deadline=None)
def test_imported_float32_are_rounded_half_to_even(values: list[float]) -> None:
    got = model_from_float32("w", np.array(values, dtype=np.float32))
    assert got.tolist() == [round(Fraction(value) * 2**32) for value in values]


@pytest.mark.parametrize(("value", "error"), [(2.0**20 + 1, ValueOutOfRange), (float("nan"), NotFinite)])
def test_import_refuses_what_no_model_can_hold(value: float, error: type[Exception]) -> None:
    with pytest.raises(error):
        model_from_float32("w", np.array([value], dtype=np.float32))


@given(st.lists(st.integers(-MODEL_MAGNITUDE_MAX, MODEL_MAGNITUDE_MAX), min_size=1, max_size=8))
@settings(deadline=None)
def test_each_value_of_a_view_is_the_nearest_float32(values: list[int]) -> None:
    view = view_of(np.array(values, dtype=np.int64))
    for value, seen in zip(values, view, strict=True):
        error = abs(Fraction(float(seen)) - Fraction(value, 2**32))
        for neighbour in (np.nextafter(seen, np.float32(np.inf)), np.nextafter(seen, np.float32(-np.inf))):
            assert error <= abs(Fraction(float(neighbour)) - Fraction(value, 2**32))


def test_a_view_rounds_a_tie_to_even() -> None:
    tie = (2**24 + 1) << 8  # 24 bits of float32, then a half
    assert float(view_of(np.array([tie, tie + 2**9]))[0]) * 2**32 == (2**24) << 8


def test_negative_zero_never_appears() -> None:
    delta = quantise("delta", np.array([-0.0, -(2.0**-40)]), 20)
    assert not np.signbit(view_of(mean_at_model_scale(delta.astype(np.int64), 3, 20))).any()


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1))
@settings(deadline=None)
def test_magnitude_is_exact_even_for_the_most_negative_integer(values: list[int]) -> None:
    assert magnitude(np.array(values, dtype=np.int32)) == max(abs(value) for value in values)


@pytest.mark.parametrize("value", [-(2**31), UPDATE_MAGNITUDE_MAX + 1, -UPDATE_MAGNITUDE_MAX - 1])
def test_check_of_magnitude_refuses_either_side(value: int) -> None:
    with pytest.raises(ValueOutOfRange):
        check_magnitude("update", np.array([0, value], dtype=np.int32), UPDATE_MAGNITUDE_MAX)
