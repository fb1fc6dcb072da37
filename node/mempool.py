"""Transactions that wait to be ordered: bounded, each once, and fair to every author.

Admission is judged against the tip by the caller. Candidates come author by author in turn, the author whose oldest
transaction has waited longest first, so that nobody can crowd the others out of a block.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ledger.hashing import Digest
from ledger.keys import PublicKey
from ledger.quantities import Height
from ledger.transactions import SignedTransaction
from node.config import LimitsSection
from node.errors import MempoolFull, SenderQueueFull


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A transaction that waits."""

    signed: SignedTransaction
    raw: bytes
    arrival: int
    """How many came before it."""


class Mempool:
    """The waiting transactions of one node."""

    def __init__(self, limits: LimitsSection) -> None:
        self._limits = limits
        self._waiting: OrderedDict[Digest, Waiting] = OrderedDict()
        self._by_bytes: dict[bytes, Waiting] = {}
        self._authors: dict[PublicKey, OrderedDict[Digest, Waiting]] = {}
        self._arrived = 0
        self._ending: dict[Height, set[Digest]] = {}
        """Ids by the last height whose block may contain them."""
        self._endings: list[Height] = []
        """Heap of those heights."""
        self.bytes_total = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, identity: Digest) -> bool:
        return identity in self._waiting

    def find(self, raw: bytes) -> SignedTransaction | None:
        """Return the waiting transaction with exactly these bytes: its signature was verified when it came in."""
        waiting = self._by_bytes.get(raw)
        return None if waiting is None else waiting.signed

    def add(self, signed: SignedTransaction, raw: bytes) -> bool:
        """Take in an admitted transaction; False if it waits already. Raises MempoolFull or SenderQueueFull."""
        identity, author = signed.transaction.id, signed.transaction.author
        if identity in self._waiting:
            return False
        own = self._authors.get(author, OrderedDict())
        if len(own) >= self._limits.mempool_sender_max:
            raise SenderQueueFull(
                "waiting transactions of this author",
                expected=f"at most {self._limits.mempool_sender_max}",
                got=len(own) + 1,
            )
        if len(self._waiting) >= self._limits.mempool_transactions_max:
            raise MempoolFull(
                "waiting transactions", expected=f"at most {self._limits.mempool_transactions_max}", got=len(self) + 1
            )
        if self.bytes_total + len(raw) > self._limits.mempool_bytes_max:
            raise MempoolFull(
                "bytes waiting", expected=f"at most {self._limits.mempool_bytes_max}", got=self.bytes_total + len(raw)
            )
        waiting = Waiting(signed=signed, raw=raw, arrival=self._arrived)
        self._arrived += 1
        self._waiting[identity] = self._by_bytes[raw] = waiting
        self._authors.setdefault(author, own)[identity] = waiting
        self._note_ending(signed.transaction.valid_until, identity)
        self.bytes_total += len(raw)
        return True

    def remove(self, identity: Digest) -> None:
        """Forget a transaction that was appended or has expired; nothing if it does not wait."""
        waiting = self._waiting.pop(identity, None)
        if waiting is None:
            return
        del self._by_bytes[waiting.raw]
        self._ending.get(waiting.signed.transaction.valid_until, set()).discard(identity)
        author = waiting.signed.transaction.author
        own = self._authors[author]
        del own[identity]
        if not own:
            del self._authors[author]
        self.bytes_total -= len(waiting.raw)

    def expire(self, head: Height) -> list[Digest]:
        """Forget what can no longer enter a block above `head`; return the ids."""
        stale: list[Digest] = []
        while self._endings and self._endings[0] <= head:
            ending = self._ending.pop(heapq.heappop(self._endings))
            stale += sorted(ending)
        for identity in stale:
            self.remove(identity)
        return stale

    def _note_ending(self, height: Height, identity: Digest) -> None:
        ending = self._ending.get(height)
        if ending is None:
            ending = self._ending[height] = set()
            heapq.heappush(self._endings, height)
        ending.add(identity)

    def keep_authors(self, is_known: Callable[[PublicKey], bool]) -> None:
        """Forget what keys have signed that may sign no more."""
        gone = [author for author in self._authors if not is_known(author)]
        for identity in [identity for author in gone for identity in self._authors[author]]:
            self.remove(identity)

    def oldest(self) -> Waiting | None:
        """Return the transaction that has waited longest."""
        return next(iter(self._waiting.values()), None)

    def candidates(self) -> Iterator[Waiting]:
        """Yield everything in fair order; do not change the mempool meanwhile."""
        queues = [iter(own.values()) for own in self._by_age()]
        while queues:
            remaining = []
            for queue in queues:
                waiting = next(queue, None)
                if waiting is not None:
                    remaining.append(queue)
                    yield waiting
            queues = remaining

    def _by_age(self) -> list[OrderedDict[Digest, Waiting]]:
        """Return what each author has waiting, by when the oldest of it came."""
        return sorted(self._authors.values(), key=lambda own: next(iter(own.values())).arrival)
