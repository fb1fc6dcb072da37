"""A global model as a training site uses it: the float32 view that the chain names by digest, and its layout."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aggregation.errors import LayoutMismatch
from aggregation.fixed_point import Float32s
from aggregation.layouts import view_form
from aggregation.model_file import read_view
from ledger.quantities import ModelVersion
from ledger.records import GlobalModelRecord
from ledger.tasks import Layout
from participant.short_repr import short_repr
from participant.tensors import Weights, to_torch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalModel:
    """A verified global model."""

    record: GlobalModelRecord
    """What the chain says of it; proven."""
    layout: Layout
    view: bytes
    """Its float32 view: a canonical safetensors file, whose digest the record holds."""

    __repr__ = short_repr

    @property
    def version(self) -> ModelVersion:
        """Place in the task's lineage; the initial model is 0."""
        return self.record.version

    def arrays(self) -> dict[str, Float32s]:
        """Return its tensors as read-only numpy arrays, by name."""
        flat = read_view(self.view, self.layout)
        return {tensor.name: flat[tensor.name].reshape(tensor.shape) for tensor in view_form(self.layout).tensors}

    def tensors(self) -> Weights:
        """Return copies of its tensors, float32 on the CPU, by name."""
        return Weights({name: to_torch(array) for name, array in self.arrays().items()})

    def load_into(self, module: "torch.nn.Module") -> None:
        """Copy its tensors into a module, which keeps what the layout calls local.

        Raises LayoutMismatch, before anything is copied, where the module lacks a tensor or has it in another shape.
        """
        own: dict[str, torch.Tensor] = module.state_dict()
        arrays = self.arrays()
        for name, array in arrays.items():
            shape = tuple(own[name].shape) if name in own else None
            if shape != array.shape:
                got = "none" if shape is None else f"shape {shape}"
                raise LayoutMismatch(f"tensor {name} of the module", expected=f"shape {array.shape}", got=got)
        for name, array in arrays.items():
            own[name].copy_(to_torch(array))  # a state dict shares its tensors with the module, without gradients
