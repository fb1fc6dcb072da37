"""What the blocks above the head hold together, gathered once and carried on block by block.

Consensus asks again and again about the newest block in flight, of which a window holds up to 64. Looking through all
of them at every read took a third of a small block's CPU.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from contracts.chain import ExecutedBlock, Tip, tip_over
from ledger.errors import InvalidBlock
from ledger.hashing import Digest


class InFlight:
    """The blocks from the head up to one of them; asked for another branch, or above another head, it begins anew."""

    def __init__(self, executed: Mapping[Digest, ExecutedBlock]) -> None:
        """Look at the executed blocks above the head, by digest, which may become more and fewer."""
        self._executed = executed
        self._begin(Digest(b""))

    def _begin(self, head: Digest) -> None:
        """Forget everything; in new maps, since a tip that was given out reads through the old ones."""
        self._head = self._top = head
        self._ids: set[Digest] = set()
        self._state_writes: dict[bytes, bytes | None] = {}
        self._tree_writes: dict[bytes, bytes | None] = {}

    def ids(self, head: Digest, digest: Digest) -> AbstractSet[Digest]:
        """Return the transactions of the blocks above `head` up to one; raises InvalidBlock for an unknown one."""
        self._gather(head, digest)
        return self._ids

    def tip(self, head: Tip, digest: Digest) -> Tip:
        """Return the tip after a block, to be used before the next call; raises InvalidBlock for an unknown one."""
        below = head.header.digest
        if digest == below:
            return head
        self._gather(below, digest)
        top = self._executed[digest]
        return tip_over(head, top, state_writes=self._state_writes, tree_writes=self._tree_writes)

    def _gather(self, head: Digest, digest: Digest) -> None:
        if self._head == head and self._top == digest:
            return
        above: list[ExecutedBlock] = []
        known = self._top if self._head == head else head
        top = digest
        while top not in {known, head}:
            executed = self._executed.get(top)
            if executed is None:
                raise InvalidBlock("parent", expected="the head or a block in flight", got=top.hex())
            above.append(executed)
            top = executed.block.header.parent
        if self._head != head or top != known:
            self._begin(head)
        for executed in reversed(above):
            self._ids |= executed.ids
            self._state_writes.update(executed.state_writes)
            self._tree_writes.update(executed.tree_writes)
        self._top = digest
