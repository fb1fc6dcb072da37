"""Work goes block by block over memory-mapped rows: extra memory is inputs x columns, whatever the model's size."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX, Int32s, check_magnitude
from ledger.tasks import TensorSpec

BLOCK_COLUMNS = 8_192
"""Columns handled at a time: 25 rows of int32 then fit a second-level cache."""
BLOCK_COLUMNS_MAX = 2**18
"""So many squares of update integers still fit an int64, and a block fits memory at 1,024 inputs."""

Row = Mapping[str, Int32s]
"""An input's flat tensors by name."""


def spans(elements: int, columns: int = BLOCK_COLUMNS) -> Iterator[slice]:
    """Yield the blocks of a tensor; a block never reaches into the next tensor."""
    assert 1 <= columns <= BLOCK_COLUMNS_MAX
    for start in range(0, elements, columns):
        yield slice(start, min(start + columns, elements))


def gather(rows: Sequence[Row], tensor: TensorSpec, span: slice) -> Int32s:
    """Return one block of all inputs, a row each; raises ValueOutOfRange beyond UPDATE_MAGNITUDE_MAX."""
    block = np.empty((len(rows), span.stop - span.start), dtype=np.int32)
    for place, row in enumerate(rows):
        block[place] = row[tensor.name][span]
    return check_magnitude(f"updates of {tensor.name}", block, UPDATE_MAGNITUDE_MAX)
