"""The participant's codec: residues, clipping, refusals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.deltas import clip_to_norm, encode_delta
from aggregation.errors import LayoutMismatch, NotFinite, ValueOutOfRange
from aggregation.fixed_point import Float32s, Float64s
from aggregation.update_file import encode_update, norm_squared
from ledger.tasks import Layout
from tests.aggregation.cases import SMALL, arrays, integer_rows, layouts, one_weight, zero_row

small_floats = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4)


def view(values: list[float]) -> dict[str, Float32s]:
    return {"w": np.array(values, dtype=np.float32)}


@given(small_floats, small_floats)
@settings(deadline=None)
def test_a_delta_is_taken_in_float64_and_rounded_half_to_even(before: list[float], after: list[float]) -> None:
    row, residue = encode_delta(one_weight(4), view(before), view(after))
    deltas = [b - a for a, b in zip(before, after, strict=True)]  # Python's floats are float64
    for delta, integer, left in zip(deltas, row["w"].tolist(), residue["w"].tolist(), strict=True):
        assert integer == round(Fraction(delta) * 2**20)
        assert Fraction(delta) == Fraction(integer, 2**20) + Fraction(left)


def test_steps_below_the_grid_add_up_through_the_residue() -> None:
    layout, base = one_weight(1, exponent=10), view([0.0])
    trained = {"w": np.array([2.0**-12])}
    residue: dict[str, Float64s] | None = None
    total = 0
    for _ in range(8):
        row, residue = encode_delta(layout, base, trained, residue)
        total += int(row["w"][0])
    assert total == 2
    assert encode_delta(layout, base, trained)[0]["w"].tolist() == [0]


def test_only_what_updates_hold_is_encoded() -> None:
    values = {tensor.name: np.zeros(tensor.shape, dtype=np.float32) for tensor in SMALL.tensors}
    row, residue = encode_delta(SMALL, values, values)
    assert list(row) == list(residue) == ["bn.mean", "layer.bias", "layer.weight"]
    assert encode_update(SMALL, row) == encode_update(SMALL, zero_row(SMALL))


@pytest.mark.parametrize(("value", "error"), [(float("nan"), NotFinite), (5.0, ValueOutOfRange)])
def test_diverged_training_is_refused(value: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="update of w"):
        encode_delta(one_weight(2), view([0, 0]), view([0, value]))


@pytest.mark.parametrize("trained", [{}, {"w": np.zeros(3)}, {"w": np.zeros((1, 2))}])
def test_other_tensors_than_the_layouts_are_refused(trained: dict[str, Float64s]) -> None:
    with pytest.raises(LayoutMismatch):
        encode_delta(one_weight(2), view([0, 0]), trained)


@given(st.data(), layouts(), st.one_of(st.integers(0, 2**56), st.integers(0, 2**31)))
@settings(deadline=None, max_examples=150)
def test_a_clipped_update_is_within_the_bound_exactly(data: st.DataObject, layout: Layout, norm_max: int) -> None:
    row = arrays(data.draw(integer_rows(layout, 1))[0], np.int32)
    clipped = clip_to_norm(row, layout, norm_max)
    assert norm_squared(clipped, layout) <= norm_max**2
    for name, values in row.items():
        assert (np.abs(clipped[name]) <= np.abs(values)).all()
        assert (clipped[name] * np.sign(values) >= 0).all()


def test_an_update_at_the_bound_stays_as_it_is() -> None:
    row = {"w": np.array([3, -4], dtype=np.int32)}
    assert clip_to_norm(row, one_weight(2, exponent=30), 5)["w"].tolist() == [3, -4]


def test_clipping_scales_toward_zero() -> None:
    row = {"w": np.array([300, -400], dtype=np.int32)}
    assert clip_to_norm(row, one_weight(2, exponent=30), 250)["w"].tolist() == [150, -200]
    assert clip_to_norm(row, one_weight(2, exponent=30), 251)["w"].tolist() == [150, -200]


def test_the_clip_factor_is_rounded_down_where_one_step_more_would_pass_the_bound() -> None:
    side, norm_max = 1_136_689, 1_607_521
    assert 2 * side**2 == norm_max**2 + 1
    row = {"w": np.array([2**22, -(2**22)], dtype=np.int32)}
    assert clip_to_norm(row, one_weight(2, exponent=30), norm_max)["w"].tolist() == [side - 1, 1 - side]


def test_clipping_leaves_statistics_alone() -> None:
    row = zero_row(SMALL)
    row["bn.mean"][:] = 2**20
    row["layer.weight"][:] = 2**20
    clipped = clip_to_norm(row, SMALL, 2**30)
    assert clipped["bn.mean"].tolist() == [2**20] * 3
    assert 0 < clipped["layer.weight"][0] < 2**20
