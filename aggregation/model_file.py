"""Global model files: int64 at 2^-32, and their float32 view, which Flower, PyTorch and others load.

Both digests are recorded. The view is derived, block by block, and never a blob of its own.
"""

import hashlib
from collections.abc import Iterator, Mapping

from aggregation.blocks import spans
from aggregation.canonical_file import F32, Buffer, Write, flat
from aggregation.fixed_point import (
    MODEL_MAGNITUDE_MAX,
    Float32s,
    Int64s,
    check_magnitude,
    magnitude,
    model_from_float32,
    view_of,
)
from aggregation.layouts import model_form, view_form
from ledger.blobs import ModelFacts
from ledger.hashing import Digest
from ledger.tasks import Layout


def encode_model(layout: Layout, tensors: Mapping[str, Int64s]) -> bytes:
    """Return the file of a global model; raises LayoutMismatch or ValueOutOfRange."""
    data = model_form(layout).encode(tensors)
    for name, values in tensors.items():
        check_magnitude(f"model's {name}", values, MODEL_MAGNITUDE_MAX)
    return data


def import_model(layout: Layout, tensors: Mapping[str, Float32s]) -> bytes:
    """Return the model file of float32 weights; raises LayoutMismatch, NotFinite or ValueOutOfRange."""
    form = model_form(layout)
    return form.encode(
        {tensor.name: model_from_float32(f"model's {tensor.name}", flat(tensor, tensors)) for tensor in form.tensors}
    )


def read_model(buffer: Buffer, layout: Layout) -> dict[str, Int64s]:
    """Return the flat tensors of a model file, not yet checked for range; raises as `FileForm.open`."""
    return model_form(layout).open(buffer)


def read_view(buffer: Buffer, layout: Layout) -> dict[str, Float32s]:
    """Return the flat tensors of a view file, whose digest the caller has checked; raises as `FileForm.open`."""
    return view_form(layout).open(buffer)


def write_view(buffer: Buffer, layout: Layout, write: Write) -> Digest:
    """Write the float32 view of a model file and return its digest; raises as `model_facts`."""
    digester = ViewDigester(layout)
    write(view_form(layout).head)
    for block in _blocks(buffer, layout):
        write(digester.follow(block))
    return digester.facts().view


def model_facts(buffer: Buffer, layout: Layout) -> ModelFacts:
    """Return the facts of a model file; raises NotCanonicalFile, LayoutMismatch or ValueOutOfRange."""
    digester = ViewDigester(layout)
    for block in _blocks(buffer, layout):
        digester.follow(block)
    return digester.facts()


def _blocks(buffer: Buffer, layout: Layout) -> Iterator[Int64s]:
    form = model_form(layout)
    arrays = form.open(buffer)
    for tensor in form.tensors:
        for span in spans(tensor.elements):
            yield check_magnitude(f"model's {tensor.name}", arrays[tensor.name][span], MODEL_MAGNITUDE_MAX)


class ViewDigester:
    """Follows a model's blocks in the order of its file, and so comes to know its facts."""

    __slots__ = ("_hash", "_layout", "_magnitude_max")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._hash = hashlib.sha256(view_form(layout).head)
        self._magnitude_max = 0

    def follow(self, block: Int64s) -> bytes:
        """Take the next values, which are within MODEL_MAGNITUDE_MAX, and return them as the view's bytes."""
        view = view_of(block).astype(F32, copy=False).tobytes()
        self._hash.update(view)
        self._magnitude_max = max(self._magnitude_max, magnitude(block))
        return view

    def facts(self) -> ModelFacts:
        """Return the facts of the model, once all its blocks have been followed."""
        view = Digest(self._hash.digest())
        return ModelFacts(layout=self._layout.digest, view=view, magnitude_max=self._magnitude_max)
