"""Tensors of a caller, PyTorch's or numpy's, as numpy arrays of float32 or float64, and back.

PyTorch is never imported to read: whoever hands over one of its tensors has imported it.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aggregation.errors import LayoutMismatch
from aggregation.fixed_point import Float32s

if TYPE_CHECKING:
    import torch

StateDict: TypeAlias = Mapping[str, Any]
"""Tensors by name, as `torch.nn.Module.state_dict` returns them; numpy arrays will do."""

_WIDEST_FLOAT_BYTES = 8


class Weights(dict[str, "torch.Tensor"]):
    """Tensors by name, float32 on the CPU: a model without code, as `torch.func.functional_call` takes it.

    What was trained in place is submitted as a module is: `r.submit(model.state_dict(), ...)`.
    """

    def state_dict(self) -> "Weights":
        """Return the tensors, by name."""
        return self


def is_float(name: str, value: object) -> bool:
    """Return whether a tensor holds floats; raises LayoutMismatch for what is no tensor."""
    tensor = _as_torch(value)
    if tensor is not None:
        return tensor.is_floating_point()
    return _as_numpy(name, value).dtype.kind == "f"


def shape_of(name: str, value: object) -> tuple[int, ...]:
    """Return a tensor's shape; raises LayoutMismatch for what is no tensor."""
    tensor = _as_torch(value)
    return tuple(tensor.shape) if tensor is not None else _as_numpy(name, value).shape


def as_float_array(name: str, value: object) -> NDArray[Any]:
    """Return a tensor as float32, or float64 if it is; narrower floats widen exactly.

    Raises LayoutMismatch for integers, complex numbers, sparse tensors and what is no tensor.
    """
    tensor = _as_torch(value)
    array = _from_torch(name, tensor) if tensor is not None else _as_numpy(name, value)
    if array.dtype.kind != "f" or array.dtype.itemsize > _WIDEST_FLOAT_BYTES:
        raise LayoutMismatch(f"elements of {name}", expected="floats of at most 64 bits", got=str(array.dtype))
    return array if array.dtype.itemsize == _WIDEST_FLOAT_BYTES else array.astype(np.float32, copy=False)


def to_torch(array: Float32s) -> "torch.Tensor":
    """Return a copy of an array as a tensor."""
    import torch  # noqa: PLC0415 - only callers who want its tensors need it

    return torch.from_numpy(array.astype(np.float32, copy=True))


def _as_torch(value: object) -> "torch.Tensor | None":
    """Return the value if it is a tensor of PyTorch."""
    module = sys.modules.get("torch")
    if module is None or not isinstance(value, module.Tensor):
        return None
    tensor: torch.Tensor = value
    return tensor


def _as_numpy(name: str, value: object) -> NDArray[Any]:
    if not isinstance(value, np.ndarray | np.generic):
        raise LayoutMismatch(f"tensor {name}", expected="a torch or numpy tensor", got=type(value).__name__)
    return np.asarray(value)


def _from_torch(name: str, tensor: "torch.Tensor") -> NDArray[Any]:
    plain = tensor.detach()
    if str(plain.layout) != "torch.strided" or plain.is_meta or not plain.is_floating_point():
        raise LayoutMismatch(f"elements of {name}", expected="dense floats", got=f"{plain.layout} {plain.dtype}")
    if plain.element_size() < _WIDEST_FLOAT_BYTES:
        plain = plain.float()
    array: NDArray[Any] = plain.cpu().resolve_neg().numpy()
    return array
