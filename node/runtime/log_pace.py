"""Log lines that others bring about as fast as they like: at most one a second of each kind, which says how many."""

import time
from collections import Counter
from collections.abc import Hashable

SECONDS = 1.0


class Pace:
    """Counts what happens between two lines. Whoever uses it bounds how many kinds there are."""

    def __init__(self) -> None:
        self._written: dict[Hashable, float] = {}
        self._counted: Counter[Hashable] = Counter()

    def count(self, kind: Hashable) -> int:
        """Count one more; return how many a line written now stands for, or 0 while it is too early for one."""
        self._counted[kind] += 1
        now = time.monotonic()
        if now - self._written.get(kind, -SECONDS) < SECONDS:
            return 0
        self._written[kind] = now
        return self._counted.pop(kind)
