"""Where the CPU goes: samples of the hot path by what the work is.

A tracing profiler would blame the many small functions.
"""

import signal
from collections import Counter
from types import FrameType
from typing import Self

SAMPLE_SECONDS = 0.002
"""Of this process's CPU."""
KINDS = (
    ("signatures", ("nacl/", "keys.py")),
    ("writing to disk, forced or not", ("leveldb.py", "vote_log.py", "vote_groups.py")),
    ("hashing and Merkle trees", ("hashing.py", "merkle.py")),
    ("encoding and decoding", ("encoding.py",)),
    ("state tree", ("state_tree.py",)),
    ("execution and validity", ("contracts/", "ledger/")),
    ("reading and preparing storage", ("node/storage/",)),
    ("mempool, gossip, wire", ("mempool.py", "gossip.py", "known.py", "wire.py", "hot_path.py")),
    ("consensus", ("consensus/",)),
    ("TLS and sockets", ("sslproto.py", "/ssl.py", "selector_events.py", "streams.py", "node/transport/")),
    ("runtime and event loop", ("node/runtime/", "asyncio")),
    ("the load itself", ("benchmarks/",)),
)
"""In this order: the first kind that the file which runs has a word of. What C does counts for its caller."""


class Sampler:
    """Counts what runs, while it is entered."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def parts(self) -> list[tuple[str, float]]:
        """Return each kind of work and its part of all CPU, the greatest first."""
        total = max(1, self.found.total())
        return [(kind, count / total) for kind, count in self.found.most_common()]

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        file = "" if frame is None else frame.f_code.co_filename
        self.found[next((kind for kind, words in KINDS if any(word in file for word in words)), "else")] += 1
