"""The one byte form of a file of tensors: a strict subset of safetensors, so that equal tensors have equal digests.

Names sorted by UTF-8 bytes whatever the element type, data contiguous in that order, row-major, little endian; a
minimal JSON header with the keys dtype, shape, data_offsets, padded with spaces to a multiple of 8 and no further; no
metadata (PROVENANCE.md, "Canonical model file"). A layout therefore fixes every byte before the data, and reading is
one comparison: duplicate keys, huge empty shapes, control characters and longer padding need no rule of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from aggregation.errors import LayoutMismatch, NotCanonicalFile
from ledger.quantities import U63
from ledger.tasks import TensorSpec

Buffer: TypeAlias = bytes | memoryview
"""Bytes of a blob; of a memory-mapped file, `memoryview(mapped)`."""
Write: TypeAlias = Callable[[bytes], object]
"""Takes the next bytes of a file that is being written."""
Scalar = TypeVar("Scalar", bound=np.generic)

HEADER_BYTES_MAX = 2**20
"""Longest JSON header, padding included."""
PREFIX_BYTES = 8
"""The header's length comes first, as an unsigned little-endian 64-bit integer."""

I32: np.dtype[np.int32] = np.dtype("<i4")
"""Updates."""
I64: np.dtype[np.int64] = np.dtype("<i8")
"""Global models."""
F32: np.dtype[np.float32] = np.dtype("<f4")
"""Views of global models."""
_CODES = {"<i4": "I32", "<i8": "I64", "<f4": "F32"}


class _HeaderEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A tensor in a header that is not the expected one; decoded only to say what differs."""

    dtype: str
    shape: tuple[U63, ...]
    data_offsets: tuple[U63, U63]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileForm(Generic[Scalar]):
    """Everything but the data of a file with given tensors."""

    tensors: tuple[TensorSpec, ...]
    dtype: np.dtype[Scalar]
    head: bytes
    """Length prefix and padded header."""

    @property
    def size(self) -> int:
        """Return the length of such a file in bytes."""
        return len(self.head) + self.dtype.itemsize * sum(tensor.elements for tensor in self.tensors)

    def open(self, buffer: Buffer) -> dict[str, NDArray[Scalar]]:
        """Return each tensor of a file as a flat array over `buffer`, without copying.

        Raises LayoutMismatch for other tensors and NotCanonicalFile for another byte form of the same ones.
        """
        view = memoryview(buffer)
        if view[: len(self.head)] != self.head:
            raise self._refusal(view)
        if len(view) != self.size:
            raise NotCanonicalFile("length of the file", expected=f"{self.size} bytes", got=f"{len(view)} bytes")
        arrays: dict[str, NDArray[Scalar]] = {}
        offset = len(self.head)
        for tensor in self.tensors:
            arrays[tensor.name] = np.frombuffer(view, dtype=self.dtype, count=tensor.elements, offset=offset)
            offset += arrays[tensor.name].nbytes
        return arrays

    def encode(self, arrays: Mapping[str, NDArray[Any]]) -> bytes:
        """Return the file that holds `arrays`, flat or shaped; raises LayoutMismatch when they are others."""
        extra = sorted(arrays.keys() - {tensor.name for tensor in self.tensors})
        if extra:
            raise LayoutMismatch("tensors", expected=f"{len(self.tensors)} named by the layout", got=_shown(extra[0]))
        parts = [self.head]
        for tensor in self.tensors:
            array = flat(tensor, arrays)
            if array.dtype.newbyteorder("=") != self.dtype.newbyteorder("="):
                raise LayoutMismatch(f"elements of {tensor.name}", expected=self.dtype.name, got=array.dtype.name)
            parts.append(array.astype(self.dtype, copy=False).tobytes())
        return b"".join(parts)

    def _refusal(self, view: memoryview) -> LayoutMismatch | NotCanonicalFile:
        """Return the error that says how a file with another beginning differs."""
        length = int.from_bytes(view[:PREFIX_BYTES], "little")
        if length > HEADER_BYTES_MAX:
            return NotCanonicalFile("header", expected=f"at most {HEADER_BYTES_MAX} bytes", got=f"{length} bytes")
        header = bytes(view[PREFIX_BYTES : PREFIX_BYTES + length])
        try:
            found = msgspec.json.decode(header, type=dict[str, _HeaderEntry])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return NotCanonicalFile(
                "header", expected="tensors with dtype, shape and data_offsets", got=_shown(str(error))
            )
        code = _CODES[self.dtype.str]
        for tensor in self.tensors:
            entry = found.pop(tensor.name, None)
            got = "none" if entry is None else _described(entry.dtype, entry.shape)
            expected = _described(code, tensor.shape)
            if got != expected:
                return LayoutMismatch(f"tensor {tensor.name}", expected=expected, got=got)
        if found:
            return LayoutMismatch(
                "tensors", expected=f"{len(self.tensors)} named by the layout", got=_shown(min(found))
            )
        return NotCanonicalFile(
            "header",
            expected=f"{len(self.head) - PREFIX_BYTES} bytes without duplicates, gaps, other order or padding",
            got=f"{length} others",
        )


def file_form(tensors: tuple[TensorSpec, ...], dtype: np.dtype[Scalar]) -> FileForm[Scalar]:
    """Return the form of files that hold exactly `tensors`, which are in order of name, as elements of `dtype`."""
    code = _CODES[dtype.str]
    entries, start = [], 0
    for tensor in tensors:
        end = start + tensor.elements * dtype.itemsize
        shape = ",".join(str(side) for side in tensor.shape)
        entries.append(f'"{tensor.name}":{{"dtype":"{code}","shape":[{shape}],"data_offsets":[{start},{end}]}}')
        start = end
    header = ("{" + ",".join(entries) + "}").encode()
    header += b" " * (-len(header) % 8)
    return FileForm(tensors=tensors, dtype=dtype, head=len(header).to_bytes(PREFIX_BYTES, "little") + header)


def flat(tensor: TensorSpec, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the array of `tensor`, row-major and flat; raises LayoutMismatch when absent or of another shape."""
    array = arrays.get(tensor.name)
    if array is None:
        raise LayoutMismatch(f"tensor {tensor.name}", expected=f"shape {tensor.shape}", got="none")
    if array.shape not in (tensor.shape, (tensor.elements,)):
        raise LayoutMismatch(f"tensor {tensor.name}", expected=f"shape {tensor.shape}", got=f"shape {array.shape}")
    return array.reshape(-1)


def _described(code: str, shape: tuple[int, ...]) -> str:
    sides = ",".join(str(side) for side in shape[:9])
    return f"{code[:8]!a}[{sides}]"


def _shown(text: str) -> str:
    """Return hostile text as short printable ASCII."""
    return f"{text[:80]!a}"
