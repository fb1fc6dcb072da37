"""Update files: int32 per coordinate, one canonical file, and the facts that validators sign about it."""

from collections.abc import Mapping

import numpy as np

from aggregation.blocks import BLOCK_COLUMNS_MAX, Row, spans
from aggregation.canonical_file import Buffer
from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX, Int32s, check_magnitude, magnitude
from aggregation.layouts import update_form, update_tensors
from ledger.blobs import Codec, UpdateFacts
from ledger.encoding import encode_integer
from ledger.tasks import EXPONENT_MAX, Layout, Role


def encode_update(layout: Layout, row: Mapping[str, Int32s]) -> bytes:
    """Return the file of an update; raises LayoutMismatch or ValueOutOfRange."""
    data = update_form(layout).encode(row)
    for name, values in row.items():
        check_magnitude(f"update of {name}", values, UPDATE_MAGNITUDE_MAX)
    return data


def read_update(buffer: Buffer, layout: Layout) -> dict[str, Int32s]:
    """Return the flat tensors of an update file, not yet checked for range; raises as `FileForm.open`."""
    return update_form(layout).open(buffer)


def update_facts(buffer: Buffer, layout: Layout) -> UpdateFacts:
    """Return the facts of an update file; raises NotCanonicalFile, LayoutMismatch or ValueOutOfRange."""
    norm_squared, value_max = _measure(read_update(buffer, layout), layout)
    return UpdateFacts(
        layout=layout.digest, codec=Codec.I32, norm_squared=encode_integer(norm_squared), value_max=value_max
    )


def norm_squared(row: Row, layout: Layout) -> int:
    """Return the exact squared l2 norm over the weights, in units of 2^-60; raises ValueOutOfRange."""
    return _measure(row, layout)[0]


def _measure(row: Row, layout: Layout) -> tuple[int, int]:
    """Return the squared norm in units of 2^-60 and the largest magnitude."""
    total = value_max = 0
    for tensor in update_tensors(layout):
        squares = 0
        for span in spans(tensor.elements, BLOCK_COLUMNS_MAX):
            block = row[tensor.name][span]
            check_magnitude(f"update of {tensor.name}", block, UPDATE_MAGNITUDE_MAX)
            value_max = max(value_max, magnitude(block))
            if tensor.role is Role.WEIGHT:
                wide = block.astype(np.int64)
                squares += int(np.dot(wide, wide))  # 2^18 squares of 2^44 at most
        total += squares << 2 * (EXPONENT_MAX - tensor.exponent)
    return total, value_max
