"""Model files, their float32 view and their facts."""

import hashlib

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.blocks import BLOCK_COLUMNS
from aggregation.errors import LayoutMismatch, NotFinite, ValueOutOfRange
from aggregation.fixed_point import MODEL_MAGNITUDE_MAX
from aggregation.layouts import model_form
from aggregation.model_file import encode_model, import_model, model_facts, read_model, read_view, write_view
from ledger.hashing import sha256
from ledger.tasks import Layout
from tests.aggregation import oracle
from tests.aggregation.cases import SMALL, arrays, layouts, models, one_weight, zero_model


def written_view(data: bytes, layout: Layout) -> bytes:
    chunks: list[bytes] = []
    digest = write_view(data, layout, chunks.append)
    view = b"".join(chunks)
    assert digest == sha256(view)
    return view


@given(st.data(), layouts())
@settings(deadline=None, max_examples=50)
def test_model_files_agree_with_the_oracle(data: st.DataObject, layout: Layout) -> None:
    model = data.draw(models(layout))
    encoded = encode_model(layout, arrays(model, np.int64))
    assert encoded == oracle.file_bytes(model_form(layout).tensors, "I64", 8, model)
    assert {name: values.tolist() for name, values in read_model(encoded, layout).items()} == model


@given(st.data(), layouts())
@settings(deadline=None, max_examples=50)
def test_facts_name_the_view_and_the_largest_value(data: st.DataObject, layout: Layout) -> None:
    model = data.draw(models(layout))
    encoded = encode_model(layout, arrays(model, np.int64))
    facts = model_facts(encoded, layout)
    assert facts.layout == layout.digest
    assert facts.view == sha256(written_view(encoded, layout))
    assert facts.magnitude_max == max(abs(value) for values in model.values() for value in values)


@given(st.data(), layouts())
@settings(deadline=None, max_examples=50)
def test_the_view_is_ordinary_safetensors_of_the_nearest_float32(data: st.DataObject, layout: Layout) -> None:
    model = data.draw(models(layout))
    view = written_view(encode_model(layout, arrays(model, np.int64)), layout)
    ours, theirs = read_view(view, layout), safetensors.numpy.load(view)
    for name, values in model.items():
        expected = [float(np.float32(value / 2**32)) for value in values]
        assert ours[name].tolist() == theirs[name].reshape(-1).tolist() == expected


def test_a_model_longer_than_a_block_has_the_view_of_all_its_blocks() -> None:
    layout = one_weight(2 * BLOCK_COLUMNS + 1)
    values = np.arange(2 * BLOCK_COLUMNS + 1, dtype=np.int64) << 33
    encoded = encode_model(layout, {"w": values})
    view = written_view(encoded, layout)
    assert read_view(view, layout)["w"].tolist() == [2.0 * number for number in range(2 * BLOCK_COLUMNS + 1)]
    assert model_facts(encoded, layout).view == hashlib.sha256(view).digest()


@given(st.lists(st.floats(-1e6, 1e6, width=32).filter(lambda value: value == 0 or abs(value) >= 2**-8), min_size=1))
@settings(deadline=None)
def test_imported_float32_are_their_own_view(values: list[float]) -> None:
    layout = one_weight(len(values))
    weights = np.array(values, dtype=np.float32) + 0.0  # a negative zero becomes the one zero there is
    view = written_view(import_model(layout, {"w": weights}), layout)
    assert read_view(view, layout)["w"].tobytes() == weights.tobytes()


def test_import_refuses_what_is_not_finite() -> None:
    with pytest.raises(NotFinite):
        import_model(one_weight(2), {"w": np.array([1, np.nan], dtype=np.float32)})


def test_import_refuses_a_missing_tensor() -> None:
    with pytest.raises(LayoutMismatch):
        import_model(one_weight(2), {})


@pytest.mark.parametrize("value", [MODEL_MAGNITUDE_MAX + 1, -MODEL_MAGNITUDE_MAX - 1, -(2**63), 2**63 - 1])
def test_values_out_of_range_are_refused(value: int) -> None:
    model = zero_model(SMALL)
    model["embedding"][3] = value
    with pytest.raises(ValueOutOfRange, match="embedding"):
        encode_model(SMALL, arrays(model, np.int64))
    hostile = oracle.file_bytes(model_form(SMALL).tensors, "I64", 8, model)
    with pytest.raises(ValueOutOfRange, match="embedding"):
        model_facts(hostile, SMALL)
    with pytest.raises(ValueOutOfRange, match="embedding"):
        write_view(hostile, SMALL, lambda _: None)
