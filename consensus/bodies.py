"""Bodies of blocks in flight, by digest: those voted for here, those that were asked for, and a few early ones.

A digest is that of the header alone, so a body is kept only after `check_body`: otherwise any peer could put other
transactions under a true header, and a certified block would seem not to execute.
"""

from collections import deque
from collections.abc import Callable, Container, Mapping

from ledger.blocks import Block
from ledger.errors import InvalidBlock
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId

ASKED_MAX = 256
"""Most bodies that were asked for; far above what windows and view changes can name, and those are asked for again."""
EARLY_BYTES_MAX = 16 * 2**20
"""Most bytes of transactions in the early bodies of one peer, unless one alone has more."""
ASKED_BYTES_MAX = 256 * 2**20
"""Most bytes of transactions in bodies that were asked for, unless the last one alone has more."""
VOTED_WINDOWS_MAX = 64
"""Windows of bodies voted for: one a view, and views that fail in a row last longer and longer."""
VOTED_BYTES_MAX = 512 * 2**20
"""Most bytes of transactions in bodies voted for, beside those that are prepared here or are the last one."""


def check_body(block: Block) -> None:
    """Raise InvalidBlock unless a block's transactions are those that its header commits to."""
    root = block.transactions_root
    if root != block.header.transactions_root:
        raise InvalidBlock(
            f"transactions of block {block.header.height}",
            expected=f"root {block.header.transactions_root.hex()}",
            got=root.hex(),
        )


class Bodies:
    """A bounded pool; a peer can only displace early bodies of its own."""

    def __init__(self, window: int) -> None:
        self._voted: dict[Digest, Block] = {}
        self._voted_max = VOTED_WINDOWS_MAX * window
        self._asked: dict[Digest, Block] = {}
        self._sizes: dict[Digest, int] = {}
        """Bytes of transactions of those two."""
        self._early: dict[ValidatorId, deque[Block]] = {}
        self._early_max = 2 * window

    def hold(self, block: Block, *, prepared: Callable[[], Container[Digest]]) -> None:
        """Keep a body that is voted for, also when the view is left: a peer may have got it prepared unseen.

        Beyond the limits the oldest ones go, but none of those that are `prepared` here.
        """
        digest = block.digest
        self._voted.pop(digest, None)
        self._voted[digest] = block
        self._sizes[digest] = _size(block)
        if not self._has_many_voted():
            return
        kept = prepared()
        for oldest in [one for one in self._voted if one not in kept and one != digest]:
            self._drop(oldest, self._voted)
            if not self._has_many_voted():
                return

    def keep(self, block: Block) -> None:
        """Keep a body that was asked for; beyond the limits the oldest ones go, and are asked for again."""
        self._asked[block.digest] = block
        self._sizes[block.digest] = _size(block)
        while len(self._asked) > 1 and (len(self._asked) > ASKED_MAX or self._bytes(self._asked) > ASKED_BYTES_MAX):
            self._drop(next(iter(self._asked)), self._asked)

    def keep_early(self, sender: ValidatorId, block: Block) -> None:
        """Keep a body that nobody asked for yet; the oldest ones of the same peer make room."""
        early = self._early.setdefault(sender, deque(maxlen=self._early_max))
        early.append(block)
        while len(early) > 1 and sum(map(_size, early)) > EARLY_BYTES_MAX:
            early.popleft()

    def get(self, digest: Digest) -> Block | None:
        """Return a body."""
        known = self._voted.get(digest) or self._asked.get(digest)
        if known is not None:
            return known
        return next((block for early in self._early.values() for block in early if block.digest == digest), None)

    def prune(self, head: Height) -> None:
        """Forget bodies that were appended or overtaken."""
        self._voted = {digest: block for digest, block in self._voted.items() if block.header.height > head}
        self._asked = {digest: block for digest, block in self._asked.items() if block.header.height > head}
        self._sizes = {digest: size for digest, size in self._sizes.items() if self._is_kept(digest)}
        for early in self._early.values():
            remaining = [block for block in early if block.header.height > head]
            early.clear()
            early.extend(remaining)

    def _has_many_voted(self) -> bool:
        return len(self._voted) > self._voted_max or self._bytes(self._voted) > VOTED_BYTES_MAX

    def _bytes(self, blocks: Mapping[Digest, Block]) -> int:
        return sum(self._sizes[digest] for digest in blocks)

    def _drop(self, digest: Digest, blocks: dict[Digest, Block]) -> None:
        del blocks[digest]
        if not self._is_kept(digest):
            del self._sizes[digest]

    def _is_kept(self, digest: Digest) -> bool:
        return digest in self._voted or digest in self._asked


def _size(block: Block) -> int:
    return sum(map(len, block.transactions))
