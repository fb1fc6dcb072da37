"""Tensors of callers: floats of every width come through, everything else is refused by name."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from aggregation.errors import LayoutMismatch
from participant.tensors import as_float_array, is_float, shape_of, to_torch


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn], ids=str
)
def test_floats_of_torch_come_through_exactly(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0.5, -1.75], [0.0, 2.0]]).to(dtype)
    array = as_float_array("w", tensor)
    assert array.dtype == (np.float64 if dtype is torch.float64 else np.float32)
    assert array.tolist() == [[0.5, -1.75], [0.0, 2.0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_numpy_come_through_exactly(dtype: type[np.floating]) -> None:
    array = as_float_array("w", np.array([0.5, -1.75], dtype))
    assert array.dtype == (np.float64 if dtype is np.float64 else np.float32)
    assert array.tolist() == [0.5, -1.75]


def test_parameters_and_views_come_through() -> None:
    parameter = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    assert as_float_array("w", parameter).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert as_float_array("w", parameter.T).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert as_float_array("w", torch.tensor(2.5)).shape == ()
    assert as_float_array("w", np.float32(2.5)).shape == ()
    negated = torch.tensor([1 + 2j]).conj().imag  # a view that is negative by a flag alone
    assert as_float_array("w", negated).tolist() == [-2.0]


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([1, 2]),
        torch.tensor([True]),
        torch.tensor([1 + 2j]),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
        np.array([1, 2]),
        np.array([1 + 2j]),
        np.array(["a"]),
        np.zeros(2, np.longdouble),
        [1.0, 2.0],
        1.0,
        None,
    ],
    ids=lambda value: str(getattr(value, "dtype", type(value).__name__)),
)
def test_what_is_no_dense_float_tensor_is_refused_by_name(value: object) -> None:
    with pytest.raises(LayoutMismatch, match="body"):
        as_float_array("body", value)


def test_shape_and_kind_are_seen_without_reading() -> None:
    assert shape_of("w", torch.zeros(2, 3)) == (2, 3)
    assert shape_of("w", np.zeros((2, 3))) == (2, 3)
    assert is_float("w", torch.zeros(1))
    assert not is_float("w", torch.zeros(1, dtype=torch.int64))
    assert is_float("w", np.zeros(1))
    assert not is_float("w", np.zeros(1, np.int32))


def test_what_is_given_out_is_a_copy() -> None:
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    tensor = to_torch(array)
    tensor += 1
    assert array.tolist() == [0, 0, 0]


def test_torch_is_not_imported_until_tensors_are_asked_for() -> None:
    program = (
        "import sys, numpy, quorate, participant.operator, participant.preparation\n"
        "assert 'torch' not in sys.modules and 'numpy' in sys.modules\n"
        "quorate.Consortium\n"
        "participant.preparation.prepare_task({'w': numpy.zeros(3)})\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_package_imports_no_numpy_by_itself() -> None:
    program = "import sys, quorate\nassert 'numpy' not in sys.modules and quorate.__version__"
    subprocess.run([sys.executable, "-c", program], check=True)
