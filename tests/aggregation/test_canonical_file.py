"""One byte form per set of tensors: what other safetensors readers accept and we refuse."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.canonical_file import HEADER_BYTES_MAX, I32, FileForm, file_form, flat
from aggregation.errors import LayoutMismatch, NotCanonicalFile
from aggregation.layouts import model_form, update_form, view_form
from ledger.tasks import Layout, Role, TensorSpec
from tests.aggregation import oracle
from tests.aggregation.cases import SMALL, arrays, integer_rows, layouts, models, zero_row

TWO = (
    TensorSpec(name="a", shape=(2,), exponent=20, role=Role.WEIGHT),
    TensorSpec(name="b", shape=(1, 2), exponent=20, role=Role.WEIGHT),
)
FORM: FileForm[np.int32] = file_form(TWO, I32)
DATA = FORM.encode({"a": np.array([1, -2], dtype=np.int32), "b": np.array([[3, -4]], dtype=np.int32)})
HEADER = {
    "a": {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "I32", "shape": [1, 2], "data_offsets": [8, 16]},
}
BODY = DATA[-16:]


def file(header: str | bytes, body: bytes = BODY, *, pad: bool = True) -> bytes:
    raw = header.encode() if isinstance(header, str) else header
    raw += b" " * (-len(raw) % 8 if pad else 0)
    return len(raw).to_bytes(8, "little") + raw + body


def compact(header: object) -> str:
    return json.dumps(header, separators=(",", ":"))


def test_the_hand_made_file_is_the_canonical_one() -> None:
    assert file(compact(HEADER)) == DATA


@given(st.data(), layouts())
@settings(deadline=None, max_examples=50)
def test_update_files_agree_with_the_oracle(data: st.DataObject, layout: Layout) -> None:
    row = data.draw(integer_rows(layout, 1))[0]
    form = update_form(layout)
    assert form.encode(arrays(row, np.int32)) == oracle.file_bytes(form.tensors, "I32", 4, row)


@given(st.data(), layouts())
@settings(deadline=None, max_examples=50)
def test_files_are_read_back_by_the_safetensors_library(data: st.DataObject, layout: Layout) -> None:
    form = model_form(layout)
    model = arrays(data.draw(models(layout)), np.int64)
    loaded = safetensors.numpy.load(form.encode(model))
    assert sorted(loaded) == [tensor.name for tensor in form.tensors]
    for tensor in form.tensors:
        assert loaded[tensor.name].dtype == np.int64
        assert loaded[tensor.name].shape == tensor.shape
        assert (loaded[tensor.name].reshape(-1) == model[tensor.name]).all()


@given(st.data(), layouts())
@settings(deadline=None, max_examples=50)
def test_opening_gives_back_what_was_encoded(data: st.DataObject, layout: Layout) -> None:
    row = data.draw(integer_rows(layout, 1))[0]
    form = update_form(layout)
    opened = form.open(memoryview(form.encode(arrays(row, np.int32))))
    assert {name: values.tolist() for name, values in opened.items()} == row


def test_opening_copies_nothing() -> None:
    assert np.shares_memory(FORM.open(DATA)["b"], np.frombuffer(DATA, dtype=np.uint8))


def test_data_begins_at_a_multiple_of_eight() -> None:
    assert len(view_form(SMALL).head) % 8 == 0


REFUSED: dict[str, bytes] = {
    "metadata": file(compact({"__metadata__": {"format": "pt"}} | HEADER)),
    "spaces in the JSON": file(json.dumps(HEADER)),
    "other order of names": file(compact({"b": HEADER["b"], "a": HEADER["a"]})),
    "other order of keys": file(compact(HEADER).replace('"dtype":"I32","shape":[2]', '"shape":[2],"dtype":"I32"')),
    "data in another order": file(
        compact({"a": HEADER["a"] | {"data_offsets": [8, 16]}, "b": HEADER["b"] | {"data_offsets": [0, 8]}})
    ),
    "a duplicate key": file(compact(HEADER)[:-1] + ',"b":' + compact(HEADER["b"]) + "}"),
    "longer padding": file(compact(HEADER) + " " * 8),
    "leading padding": file(" " * 8 + compact(HEADER)),
    "no padding": file(compact(HEADER), pad=False),
    "trailing bytes": DATA + b"\0",
    "missing bytes": DATA[:-1],
    "an escaped name": file(compact(HEADER).replace('"a"', '"\\u0061"')),
    "a header that is no JSON": file("{" + "x" * 63),
    "a header that is no text": file(b"\xff" * 64),
    "a header of nested arrays": file('{"a":' + "[" * 50_000),
    "a header of two numbers": file("[1,2]"),
    "numbers beyond 63 bits": file(compact(HEADER).replace("[2]", "[" + "9" * 4_000 + "]")),
    "a control character in an unknown key": file('{"a":{"\\u0007":1}}'),
    "a header longer than the file": (2**19).to_bytes(8, "little") + DATA[8:],
    "a header of 2^64 bytes": b"\xff" * 8 + DATA[8:],
    "nothing": b"",
    "half a length": b"\x10\0\0",
}


@pytest.mark.parametrize("what", REFUSED)
def test_another_byte_form_is_refused(what: str) -> None:
    with pytest.raises(NotCanonicalFile) as caught:
        FORM.open(REFUSED[what])
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_a_header_above_its_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(NotCanonicalFile, match=f"at most {HEADER_BYTES_MAX} bytes"):
        FORM.open(file(compact(HEADER) + " " * HEADER_BYTES_MAX))


LENIENT = ("metadata", "spaces in the JSON", "data in another order", "longer padding", "an escaped name")


@pytest.mark.parametrize("what", LENIENT)
def test_the_library_lets_through_what_we_refuse(what: str) -> None:
    assert sorted(safetensors.numpy.load(REFUSED[what])) == ["a", "b"]


MISMATCHED: dict[str, tuple[bytes, str]] = {
    "missing tensor": (file(compact({"a": HEADER["a"]}), BODY[:8]), "tensor b"),
    "extra tensor": (file(compact(HEADER | {"c\n": HEADER["b"]})), r"'c\\n'"),
    "other name": (file(compact({"a": HEADER["a"], "c": HEADER["b"]})), "tensor b"),
    "other shape": (file(compact(HEADER | {"b": HEADER["b"] | {"shape": [2, 1]}})), r"'I32'\[2,1\]"),
    "other type": (file(compact(HEADER).replace("I32", "F32")), "'F32'"),
    "zero dimension": (file(compact(HEADER | {"b": HEADER["b"] | {"shape": [0, 10**9]}})), "1000000000"),
    "thousands of sides": (file(compact(HEADER | {"b": HEADER["b"] | {"shape": [1] * 9_000}})), "tensor b"),
    "thousands of tensors": (
        file(compact(HEADER | {f"z{number}": HEADER["b"] | {"shape": [0]} for number in range(9_000)})),
        "'z0'",
    ),
}


@pytest.mark.parametrize("what", MISMATCHED)
def test_other_tensors_are_named_in_the_refusal(what: str) -> None:
    data, said = MISMATCHED[what]
    with pytest.raises(LayoutMismatch, match=said) as caught:
        FORM.open(data)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=300)
def test_a_changed_byte_is_refused_or_is_another_value(place: int, change: int) -> None:
    mutated = bytearray(DATA)
    mutated[place] ^= change
    if place < len(FORM.head):
        with pytest.raises((NotCanonicalFile, LayoutMismatch)):
            FORM.open(bytes(mutated))
    else:
        assert FORM.encode(FORM.open(bytes(mutated))) == bytes(mutated)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_arbitrary_bytes_are_refused_with_our_own_errors(data: bytes) -> None:
    with pytest.raises((NotCanonicalFile, LayoutMismatch)):
        FORM.open(data)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
@settings(deadline=None)
def test_arbitrary_json_headers_are_refused_with_our_own_errors(header: object) -> None:
    with pytest.raises((NotCanonicalFile, LayoutMismatch)):
        FORM.open(file(compact(header)))


Row = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int32]]]
WRONG_ARRAYS: dict[str, Callable[[Row], object]] = {
    "missing": lambda row: row.pop("layer.bias"),
    "extra": lambda row: row.update(more=np.zeros(1, dtype=np.int32)),
    "shape": lambda row: row.update({"layer.weight": np.zeros((3, 2), dtype=np.int32)}),
    "length": lambda row: row.update({"layer.weight": np.zeros(5, dtype=np.int32)}),
    "type": lambda row: row.update({"layer.weight": np.zeros(6, dtype=np.int64)}),
}


@pytest.mark.parametrize("what", WRONG_ARRAYS)
def test_encoding_refuses_other_arrays_than_the_layouts(what: str) -> None:
    row = zero_row(SMALL)
    WRONG_ARRAYS[what](row)
    with pytest.raises(LayoutMismatch):
        update_form(SMALL).encode(row)


def test_a_column_major_array_is_written_row_by_row() -> None:
    tensor = TensorSpec(name="w", shape=(2, 3), exponent=20, role=Role.WEIGHT)
    values = np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3))
    assert flat(tensor, {"w": values}).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_big_endian_array_is_written_little_endian() -> None:
    assert FORM.encode({"a": np.array([1, -2], dtype=">i4"), "b": np.array([3, -4], dtype="<i4")}) == DATA
