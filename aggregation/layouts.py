"""Layouts beyond their type: order, totals, which tensors a file holds, and how a participant makes one.

An update file holds the weights and statistics; a model file also the frozen tensors; local ones never leave the site.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from aggregation.canonical_file import F32, HEADER_BYTES_MAX, I32, I64, PREFIX_BYTES, FileForm, file_form
from aggregation.errors import InvalidLayout
from ledger.blobs import LayoutFacts
from ledger.encoding import decode, encode
from ledger.tasks import Layout, Role, TensorSpec

LAYOUT_BYTES_MAX = 4 * 2**20
"""More than a layout of TENSORS_MAX tensors with long names takes."""
ELEMENTS_MAX = 2**31
"""Most coordinates of a model: what norms and influence are bounded for."""
EXPONENT_DEFAULT = 20
"""2^-20 lost nothing against float in training from scratch; fine-tuning with tiny steps needs a finer grid."""

_IN_UPDATE = (Role.WEIGHT, Role.STATISTIC)
_IN_MODEL = (Role.WEIGHT, Role.STATISTIC, Role.FROZEN)


def decode_layout(data: bytes) -> Layout:
    """Return the layout with these bytes.

    Raises TooLarge, MalformedEncoding or NonCanonicalEncoding for bytes that are no layout, and InvalidLayout when
    names are not strictly ascending, nothing is to be learnt, or no file could hold it.
    """
    layout = decode(data, Layout, bytes_max=LAYOUT_BYTES_MAX)
    names = [tensor.name for tensor in layout.tensors]
    for earlier, later in pairwise(names):
        if earlier.encode() >= later.encode():
            raise InvalidLayout("names", expected=f"one above {earlier!r}", got=repr(later))
    elements = sum(tensor.elements for tensor in layout.tensors)
    if elements > ELEMENTS_MAX:
        raise InvalidLayout("elements of all tensors", expected=f"at most {ELEMENTS_MAX}", got=elements)
    if not any(tensor.role is Role.WEIGHT for tensor in layout.tensors):
        raise InvalidLayout("tensors with role weight", expected="at least one", got="none")
    header = len(model_form(layout).head) - PREFIX_BYTES
    if header > HEADER_BYTES_MAX:
        raise InvalidLayout("header of its model file", expected=f"at most {HEADER_BYTES_MAX} bytes", got=header)
    return layout


def layout_facts(layout: Layout) -> LayoutFacts:
    """Return what registration needs to know; the exponents are those of tensors that updates contain."""
    exponents = [tensor.exponent for tensor in update_tensors(layout)]
    return LayoutFacts(
        tensors=len(layout.tensors),
        weight_elements=_elements(layout, Role.WEIGHT),
        statistic_elements=_elements(layout, Role.STATISTIC),
        frozen_elements=_elements(layout, Role.FROZEN),
        exponent_min=min(exponents),
        exponent_max=max(exponents),
    )


def _elements(layout: Layout, role: Role) -> int:
    return sum(tensor.elements for tensor in layout.tensors if tensor.role is role)


def update_tensors(layout: Layout) -> tuple[TensorSpec, ...]:
    """Return the tensors that an update file holds."""
    return tuple(tensor for tensor in layout.tensors if tensor.role in _IN_UPDATE)


def weight_tensors(layout: Layout) -> tuple[TensorSpec, ...]:
    """Return the tensors that norms, distances and the rule see."""
    return tuple(tensor for tensor in layout.tensors if tensor.role is Role.WEIGHT)


def update_form(layout: Layout) -> FileForm[np.int32]:
    """Return the form of an update file: int32 at each tensor's exponent."""
    return file_form(update_tensors(layout), I32)


def model_form(layout: Layout) -> FileForm[np.int64]:
    """Return the form of a global model file: int64 at 2^-32."""
    return file_form(_model_tensors(layout), I64)


def view_form(layout: Layout) -> FileForm[np.float32]:
    """Return the form of a global model's float32 view."""
    return file_form(_model_tensors(layout), F32)


def _model_tensors(layout: Layout) -> tuple[TensorSpec, ...]:
    return tuple(tensor for tensor in layout.tensors if tensor.role in _IN_MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorTraits:
    """What a training framework knows about a tensor."""

    shape: tuple[int, ...]
    is_float: bool
    is_buffer: bool
    """Kept by the model but not trained, such as batch norm's running mean."""


def infer_layout(tensors: Mapping[str, TensorTraits], *, exponent: int = EXPONENT_DEFAULT) -> Layout:
    """Return a layout for a model: floats are weights, float buffers statistics, all others stay local.

    Raises as `decode_layout` does, for names, shapes or an exponent that no layout may have.
    """
    specs = []
    for name in sorted(tensors, key=str.encode):
        traits = tensors[name]
        role = Role.LOCAL
        if traits.is_float:
            role = Role.STATISTIC if traits.is_buffer else Role.WEIGHT
        specs.append(TensorSpec(name=name, shape=traits.shape, exponent=exponent, role=role))
    return decode_layout(encode(Layout(tensors=tuple(specs))))
