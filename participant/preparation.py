"""From a model to what a task is registered with: its layout, and the initial model as exact integers.

Parameters that are trained become weights, frozen ones stay as they are for good, float buffers are statistics, and
whatever is not float stays at each site. A plain mapping does not say which tensors are buffers, so there the names
that PyTorch's batch norm gives its statistics decide; `roles` has the last word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from aggregation.errors import InvalidLayout, LayoutMismatch
from aggregation.layouts import EXPONENT_DEFAULT, TensorTraits, decode_layout, infer_layout, model_form
from aggregation.model_file import import_model
from ledger.encoding import encode
from ledger.tasks import EXPONENT_MAX, EXPONENT_MIN, Layout, Role
from participant.tensors import StateDict, as_float_array, is_float, shape_of

if TYPE_CHECKING:
    import torch

STATISTICS = ("running_mean", "running_var")
"""Last part of the names of batch norm's statistics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTask:
    """The two blobs that a task is registered with."""

    layout: Layout
    layout_data: bytes
    """Its canonical bytes; the task names their digest."""
    model_data: bytes
    """The initial model file: int64 at 2^-32."""


def prepare_task(
    model: "torch.nn.Module | StateDict",
    *,
    exponent: int = EXPONENT_DEFAULT,
    exponents: Mapping[str, int] | None = None,
    roles: Mapping[str, Role] | None = None,
) -> PreparedTask:
    """Return layout and initial model of a module, or of tensors by name.

    `exponent` is the grid of every update, 2^-exponent, unless `exponents` names another one for a tensor. Weights in
    float64 are rounded to float32 first, since that is what sites load. Raises InvalidLayout, LayoutMismatch,
    NotFinite or ValueOutOfRange.
    """
    tensors, inferred = _inspect(model)
    chosen_roles, chosen_exponents = dict(roles or {}), dict(exponents or {})
    strangers = sorted((chosen_roles.keys() | chosen_exponents.keys()) - tensors.keys())
    if strangers:
        raise InvalidLayout("tensors with a role or exponent of their own", expected="the model's", got=strangers[0])
    for name, value in {"all tensors": exponent, **chosen_exponents}.items():
        if not EXPONENT_MIN <= value <= EXPONENT_MAX:
            raise InvalidLayout(f"exponent of {name}", expected=f"{EXPONENT_MIN} to {EXPONENT_MAX}", got=value)
    traits = {
        name: TensorTraits(
            shape=shape_of(name, value),
            is_float=is_float(name, value),
            is_buffer=inferred.get(name) is Role.STATISTIC,
        )
        for name, value in tensors.items()
    }
    drafted = infer_layout(traits, exponent=exponent)
    for name, role in chosen_roles.items():
        if not traits[name].is_float and role is not Role.LOCAL:
            got = str(tensors[name].dtype)
            raise LayoutMismatch(f"tensor {name}", expected="floats, to have another role than local", got=got)
    decided = {**inferred, **chosen_roles}
    specs = tuple(
        replace(
            tensor,
            role=decided.get(tensor.name, tensor.role) if traits[tensor.name].is_float else Role.LOCAL,
            exponent=chosen_exponents.get(tensor.name, tensor.exponent),
        )
        for tensor in drafted.tensors
    )
    layout_data = encode(Layout(tensors=specs))
    layout = decode_layout(layout_data)
    arrays = {tensor.name: _as_float32(tensor.name, tensors[tensor.name]) for tensor in model_form(layout).tensors}
    return PreparedTask(layout=layout, layout_data=layout_data, model_data=import_model(layout, arrays))


def _inspect(model: "torch.nn.Module | StateDict") -> tuple[StateDict, dict[str, Role]]:
    """Return a model's tensors, and the roles of those that are not plain weights."""
    if isinstance(model, Mapping):
        named = {name: Role.STATISTIC for name in model if name.rpartition(".")[2] in STATISTICS}
        return model, named
    tensors: dict[str, Any] = model.state_dict()
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters(remove_duplicate=False)}
    inferred = {name: Role.STATISTIC for name in tensors if name not in trained}
    inferred |= {name: Role.FROZEN for name, is_trained in trained.items() if not is_trained}
    return tensors, inferred


def _as_float32(name: str, value: object) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # infinity is refused as such
        return as_float_array(name, value).astype(np.float32)
