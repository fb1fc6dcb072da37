"""Reading the safetensors files of others: ordinary ones are read alike, everything else is refused, nothing is run."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.errors import UnsafeModelFile
from quorate.safetensors_reader import HEADER_BYTES_MAX, read_safetensors

_DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def write(path: Path, header: object, data: bytes = b"", *, length: int | None = None) -> Path:
    """Write a file with this header, as JSON unless it is bytes."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(encoded) if length is None else length).to_bytes(8, "little") + encoded + data)
    return path


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tensors=st.dictionaries(
        st.text(min_size=1, max_size=6).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(_DTYPES), st.lists(st.integers(0, 3), max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_what_the_reference_writes_is_read_alike(tmp_path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    chance = np.random.default_rng(0)
    arrays = {name: np.asarray(chance.random(shape) * 9).astype(dtype) for name, (dtype, shape) in tensors.items()}
    safetensors.numpy.save_file(arrays, tmp_path / "model", metadata={"format": "np"})
    found = read_safetensors(tmp_path / "model")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_bfloat16_widens_exactly(tmp_path: Path) -> None:
    tensor = torch.tensor([0.0, -1.5, 3.140625, 1e30, 2.0**-120], dtype=torch.bfloat16)
    safetensors.torch.save_file({"w": tensor}, tmp_path / "model")
    found = read_safetensors(tmp_path / "model")["w"]
    assert found.dtype == np.float32
    assert np.array_equal(found, tensor.to(torch.float32).numpy())


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    (tmp_path / "model").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UnsafeModelFile, match="pickle"):
        read_safetensors(tmp_path / "model")
    assert not (tmp_path / "sprung").exists()


def test_a_torch_archive_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(3)}, tmp_path / "model")
    assert zipfile.is_zipfile(tmp_path / "model")
    with pytest.raises(UnsafeModelFile):
        read_safetensors(tmp_path / "model")


def _tensor(begin: int, end: int, *, shape: object = (1,), dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        pytest.param({"a": _tensor(0, 4), "b": _tensor(2, 6)}, bytes(6), id="overlap"),
        pytest.param({"a": _tensor(0, 4), "b": _tensor(8, 12)}, bytes(12), id="gap"),
        pytest.param({"a": _tensor(4, 8)}, bytes(8), id="does not begin at the beginning"),
        pytest.param({"a": _tensor(0, 4)}, bytes(8), id="bytes after the end"),
        pytest.param({"a": _tensor(0, 4)}, bytes(3), id="cut short"),
        pytest.param({"a": _tensor(0, 8)}, bytes(8), id="more bytes than the shape has"),
        pytest.param({"a": _tensor(4, 0)}, bytes(4), id="backwards"),
        pytest.param({"a": _tensor(-4, 0)}, bytes(4), id="before the beginning"),
        pytest.param({"a": _tensor(0, 4, dtype="F8_E4M3")}, bytes(4), id="unknown dtype"),
        pytest.param({"a": _tensor(0, 4, dtype=3)}, bytes(4), id="dtype is no text"),
        pytest.param({"a": _tensor(0, 4, shape=[-1])}, bytes(4), id="negative side"),
        pytest.param({"a": _tensor(0, 0, shape=[0, 2**40])}, b"", id="huge side"),
        pytest.param({"a": _tensor(0, 4, shape=[1] * 9)}, bytes(4), id="too many dimensions"),
        pytest.param({"a": _tensor(0, 4, shape="1")}, bytes(4), id="shape is no list"),
        pytest.param({"a": {"dtype": "F32", "shape": [1]}}, bytes(4), id="no offsets"),
        pytest.param({"a": 1}, bytes(4), id="no tensor"),
        pytest.param([], b"", id="a list"),
        pytest.param({}, b"", id="empty"),
        pytest.param(b'{"a":', b"", id="no JSON"),
        pytest.param(b"[" * 100_000, b"", id="deep"),
        pytest.param(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1}', bytes(4), id="a name twice"),
    ],
)
def test_a_file_that_is_not_plain_is_refused(tmp_path: Path, header: object, data: bytes) -> None:
    with pytest.raises(UnsafeModelFile):
        read_safetensors(write(tmp_path / "model", header, data))


@pytest.mark.parametrize("length", [2**63, HEADER_BYTES_MAX + 1, 3])
def test_a_header_length_that_lies_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(UnsafeModelFile):
        read_safetensors(write(tmp_path / "model", {"a": _tensor(0, 4)}, bytes(4), length=length))


@pytest.mark.parametrize("data", [b"", b"abc", bytes(8)])
def test_a_file_too_short_for_a_header_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(UnsafeModelFile):
        read_safetensors(tmp_path / "model")


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeModelFile, match="model file"):
        read_safetensors(tmp_path / "nothing")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 200), bit=st.integers(0, 7))
def test_no_damage_raises_anything_else(tmp_path: Path, place: int, bit: int) -> None:
    safetensors.numpy.save_file({"a": np.arange(3), "b": np.ones((2, 2), np.float32)}, tmp_path / "model")
    data = bytearray((tmp_path / "model").read_bytes())
    data[place % len(data)] ^= 1 << bit
    (tmp_path / "model").write_bytes(data)
    try:
        found = read_safetensors(tmp_path / "model")
    except UnsafeModelFile:
        return
    assert sum(array.nbytes for array in found.values()) <= len(data)
