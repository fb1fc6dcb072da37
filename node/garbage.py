"""Python's garbage collector beside votes: what lives as long as the node is not looked through again and again.

A node that has started holds some 90,000 objects that the collector knows, most of them of its libraries. A full
collection goes through all of them at once, which took some 60 ms and may come at any time. Those of a running node's
own work are few.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def long_lived() -> Iterator[None]:
    """Leave out of collections what there is when the block begins, until it ends."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
