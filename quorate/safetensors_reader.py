"""Reading ordinary safetensors files, to make a task's initial model of one; nothing else is ever read, no pickle.

The format: eight bytes of header length, a JSON header of name to dtype, shape and offsets, then the data. What the
reference reader lets through and this one refuses: names given twice, overlapping or unused data.
"""

import json
import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.tasks import DIMENSIONS_MAX, TENSORS_MAX
from quorate.errors import UnsafeModelFile

HEADER_BYTES_MAX = 16 * 2**20
"""Longest header that is parsed: more than names and shapes of TENSORS_MAX tensors take."""
_METADATA = "__metadata__"
_BF16 = "BF16"
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    _BF16: np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file by name; raises UnsafeModelFile."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise UnsafeModelFile("model file", expected=f"a safetensors file at {path}", got=error) from error
    data = memoryview(mapped)
    header, start = _header(data)
    tensors: dict[str, NDArray[Any]] = {}
    end = 0
    for name, entry in sorted(header.items(), key=_begin):
        if name == _METADATA:
            continue
        dtype, shape, begin, stop = _entry(name, entry)
        size = dtype.itemsize * math.prod(shape)
        if begin != end or stop - begin != size or stop > len(data) - start:
            raise UnsafeModelFile(f"data of tensor {name!a}", expected=f"{size} bytes from {end}", got=[begin, stop])
        end = stop
        values = np.frombuffer(data, dtype=dtype, count=math.prod(shape), offset=start + begin).reshape(shape)
        tensors[name] = _widened(values) if entry["dtype"] == _BF16 else values
    if end != len(data) - start:
        raise UnsafeModelFile("end of the data", expected=end, got=len(data) - start)
    return tensors


def _header(data: memoryview) -> tuple[dict[str, Any], int]:
    """Return the parsed header and where the data begins."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(HEADER_BYTES_MAX, len(data) - 8):
        raise UnsafeModelFile(
            "length of the header",
            expected=f"at most {HEADER_BYTES_MAX} bytes, and the file's",
            got=f"{length}: is this a pickle?",
        )
    try:
        header = json.loads(bytes(data[8 : 8 + length]), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UnsafeModelFile("header", expected="JSON", got=error) from None
    if not isinstance(header, dict) or not 1 <= len(header) <= TENSORS_MAX + 1:
        raise UnsafeModelFile("header", expected=f"1 to {TENSORS_MAX} tensors", got=type(header).__name__)
    return header, 8 + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _begin(item: tuple[str, Any]) -> tuple[int, int]:
    """Return where a tensor's data lies; what is malformed is refused when it is read."""
    match item[1]:
        case {"data_offsets": [int(begin), int(stop)]}:
            return begin, stop
        case _:
            return -1, -1


def _entry(name: str, entry: object) -> tuple[np.dtype[Any], list[int], int, int]:
    """Return dtype, shape and offsets of a tensor; raises UnsafeModelFile."""
    match entry:
        case {"dtype": str(code), "shape": [*shape], "data_offsets": [int(begin), int(stop)]} if (
            code in _DTYPES
            and len(shape) <= DIMENSIONS_MAX
            and all(isinstance(side, int) and 0 <= side < 2**31 for side in shape)
        ):
            return _DTYPES[code], shape, begin, stop
        case _:
            raise UnsafeModelFile(
                f"tensor {name!a}", expected=f"dtype ({', '.join(_DTYPES)}), shape and data_offsets", got=entry
            )


def _widened(values: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return bfloat16 as float32: its bits are the upper half of the same number's."""
    return (values.astype(np.uint32) << 16).view(np.float32)
