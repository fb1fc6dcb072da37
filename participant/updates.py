"""From trained weights to the bytes of an update; whatever cannot be one is refused here, before anything is sent."""

from dataclasses import dataclass
from typing import TypeAlias

from aggregation.deltas import clip_to_norm, encode_delta
from aggregation.errors import LayoutMismatch
from aggregation.fixed_point import Float64s
from aggregation.layouts import update_tensors
from aggregation.update_file import encode_update
from participant.global_model import GlobalModel
from participant.tensors import StateDict, as_float_array

Residue: TypeAlias = dict[str, Float64s]
"""What rounding left over of an update, by tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedUpdate:
    """An update, ready to be uploaded."""

    data: bytes
    residue: Residue | None
    """To be carried into the next round's update, once this one is accepted; None if there is nothing to carry."""


def encode_trained(
    base: GlobalModel, trained: StateDict, *, residue: Residue | None, norm_max: int | None
) -> EncodedUpdate:
    """Return the update from `base` to `trained`, clipped to `norm_max` in units of 2^-30 unless that is None.

    Raises LayoutMismatch for missing or unknown tensors, other shapes and other element types, NotFinite, and
    ValueOutOfRange, each with the tensor's name.
    """
    layout = base.layout
    known = {tensor.name for tensor in layout.tensors}
    unknown = sorted(name for name in trained if name not in known)
    if unknown:
        raise LayoutMismatch("tensors", expected="those of the task's layout", got=f"{unknown[0]!a}"[:100])
    arrays = {}
    for tensor in update_tensors(layout):
        if tensor.name not in trained:
            raise LayoutMismatch(f"tensor {tensor.name}", expected=f"shape {tensor.shape}", got="none")
        array = arrays[tensor.name] = as_float_array(tensor.name, trained[tensor.name])
        if array.shape != tensor.shape:
            raise LayoutMismatch(f"tensor {tensor.name}", expected=f"shape {tensor.shape}", got=f"shape {array.shape}")
    row, left_over = encode_delta(layout, base.arrays(), arrays, residue)
    if norm_max is not None:
        row = clip_to_norm(row, layout, norm_max)
    return EncodedUpdate(data=encode_update(layout, row), residue=left_over)
