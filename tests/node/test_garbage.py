"""What there was at the start is left out of collections, until the node has ended; what comes later is not."""

import gc
import weakref

from node.garbage import long_lived


class Loop:
    """Refers to itself: only a collection ends it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_left_alone_until_the_block_ends() -> None:
    early = Loop()
    seen_early = weakref.ref(early)
    with long_lived():
        assert gc.get_freeze_count() > 10_000  # pytest alone is more
        late = Loop()
        seen_late = weakref.ref(late)
        del early, late
        gc.collect()
        assert seen_early() is not None
        assert seen_late() is None
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert seen_early() is None
