"""Update files and their facts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.blocks import BLOCK_COLUMNS_MAX
from aggregation.errors import LayoutMismatch, NotCanonicalFile, ValueOutOfRange
from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX
from aggregation.layouts import update_form
from aggregation.update_file import encode_update, norm_squared, read_update, update_facts
from ledger.blobs import Codec
from ledger.encoding import decode_integer
from ledger.tasks import Layout
from tests.aggregation import oracle
from tests.aggregation.cases import SMALL, arrays, integer_rows, layouts, one_weight, zero_row

SCALED_ONE = 2**60
"""One, in the unit of squared norms."""


@given(st.data(), layouts())
@settings(deadline=None, max_examples=60)
def test_facts_are_exact(data: st.DataObject, layout: Layout) -> None:
    row = data.draw(integer_rows(layout, 1))[0]
    facts = update_facts(encode_update(layout, arrays(row, np.int32)), layout)
    assert facts.layout == layout.digest
    assert facts.codec is Codec.I32
    assert decode_integer(facts.norm_squared) == oracle.gram([row], layout)[0][0]
    assert facts.value_max == max(abs(value) for values in row.values() for value in values)


def test_the_norm_weighs_tensors_by_their_grid() -> None:
    row = zero_row(SMALL)
    row["layer.weight"][0] = 2**20
    row["layer.bias"][0] = 2**22
    assert norm_squared(row, SMALL) == SCALED_ONE + SCALED_ONE // 2**16


def test_statistics_count_in_the_largest_value_and_not_in_the_norm() -> None:
    row = zero_row(SMALL)
    row["bn.mean"][2] = -9
    facts = update_facts(encode_update(SMALL, row), SMALL)
    assert (facts.norm_squared, facts.value_max) == (b"", 9)


def test_the_largest_norm_is_exact_over_several_blocks() -> None:
    elements = 2 * BLOCK_COLUMNS_MAX + 3
    layout = one_weight(elements, exponent=2)
    row = {"w": np.full(elements, -UPDATE_MAGNITUDE_MAX, dtype=np.int32)}
    facts = update_facts(encode_update(layout, row), layout)
    assert decode_integer(facts.norm_squared) == elements * UPDATE_MAGNITUDE_MAX**2 * 4**28


@pytest.mark.parametrize("name", ["bn.mean", "layer.weight"])
@pytest.mark.parametrize("value", [UPDATE_MAGNITUDE_MAX + 1, -UPDATE_MAGNITUDE_MAX - 1, -(2**31), 2**31 - 1])
def test_facts_refuse_values_out_of_range(name: str, value: int) -> None:
    row = zero_row(SMALL)
    row[name][1] = value
    with pytest.raises(ValueOutOfRange, match=name):
        update_facts(update_form(SMALL).encode(row), SMALL)


def test_encoding_refuses_values_out_of_range() -> None:
    row = zero_row(SMALL)
    row["layer.weight"][5] = UPDATE_MAGNITUDE_MAX + 1
    with pytest.raises(ValueOutOfRange):
        encode_update(SMALL, row)


def test_a_file_of_another_layout_has_no_facts() -> None:
    with pytest.raises(LayoutMismatch):
        update_facts(encode_update(SMALL, zero_row(SMALL)), one_weight(3))


@given(st.integers(0, 20), st.binary(min_size=1, max_size=3))
@settings(deadline=None, max_examples=50)
def test_a_file_with_bytes_added_or_taken_has_no_facts(cut: int, added: bytes) -> None:
    data = encode_update(SMALL, zero_row(SMALL))
    for hostile in (data[: len(data) - 1 - cut], data + added):
        with pytest.raises(NotCanonicalFile):
            update_facts(hostile, SMALL)


def test_reading_gives_flat_read_only_tensors() -> None:
    tensors = read_update(encode_update(SMALL, zero_row(SMALL)), SMALL)
    assert {name: array.shape for name, array in tensors.items()} == {
        "bn.mean": (3,),
        "layer.bias": (1,),
        "layer.weight": (6,),
    }
    assert not any(array.flags.writeable for array in tensors.values())
