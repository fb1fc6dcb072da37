"""A small application to be ordered: a set of items, each to be decided exactly once, and a hash chain as state root.

It is as strict as the real one: it knows the appended head and the blocks in flight above it, and nothing else.
"""

from dataclasses import dataclass, field

from ledger import merkle
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CertifiedBlock
from ledger.errors import InvalidBlock
from ledger.hashing import Digest, sha256
from ledger.quantities import Era, Height, TimeMs, ValidatorId
from tests.simulation.chain import changed

ITEMS_PER_BLOCK = 4
LAST_ITEM = b"last item of the era"
"""A block that decides this ends the era, as a change of the validator set would."""


@dataclass(slots=True)
class ToyApplication:
    """Items come in through `submit`; a block carries some of those that none of its ancestors has."""

    genesis: BlockHeader
    executed: dict[Digest, Block] = field(default_factory=dict)
    """Blocks in flight above the appended head."""
    chain: list[CertifiedBlock] = field(default_factory=list)
    """Appended blocks, from height 1."""
    decided: set[bytes] = field(default_factory=set)
    """Items of appended blocks."""
    waiting: list[bytes] = field(default_factory=list)

    def submit(self, item: bytes) -> None:
        """Admit an item unless it is waiting or decided."""
        if item not in self.waiting and item not in self.decided:
            self.waiting.append(item)

    @property
    def head(self) -> BlockHeader:
        """Last appended header."""
        return self.chain[-1].block.header if self.chain else self.genesis

    def has_work(self, parent: Digest, time: TimeMs) -> bool:
        del time
        _, included = self._known(parent)
        return any(item not in included for item in self.waiting)

    def prepare_proposal(self, parent: Digest, *, time: TimeMs, proposer: ValidatorId) -> Block:
        header, included = self._known(parent)
        fresh = [item for item in self.waiting if item not in included][:ITEMS_PER_BLOCK]
        block = Block(header=build_header(header, fresh, time=time, proposer=proposer), transactions=tuple(fresh))
        self.process_proposal(block)
        return block

    def process_proposal(self, block: Block) -> None:
        if block.digest in self.executed:
            return
        parent, included = self._known(block.header.parent)
        items = list(block.transactions)
        if len(set(items)) != len(items) or any(item in included for item in items):
            raise InvalidBlock("items", expected="each once", got="one again")
        expected = build_header(parent, items, time=block.header.time, proposer=block.header.proposer)
        if expected != block.header or block.header.time < parent.time:
            raise InvalidBlock("header", expected=expected, got=block.header)
        self.executed[block.digest] = block

    def oldest_pending(self, time: TimeMs) -> bytes | None:
        del time
        return self.waiting[0] if self.waiting else None

    def block_at(self, height: Height) -> CertifiedBlock | None:
        return self.chain[height - 1] if 1 <= height <= len(self.chain) else None

    def append(self, blocks: list[CertifiedBlock]) -> None:
        """Take in final blocks, all of them executed before."""
        for certified in blocks:
            assert self.executed[certified.block.digest] == certified.block, "the body that was executed"
            self.chain.append(certified)
            self.decided.update(certified.block.transactions)
        height = self.head.height
        self.executed = {digest: block for digest, block in self.executed.items() if block.header.height > height}
        self.waiting = [item for item in self.waiting if item not in self.decided]

    def _known(self, digest: Digest) -> tuple[BlockHeader, set[bytes]]:
        """Return a block's header and all items up to it; raises InvalidBlock unless it follows from the head."""
        if digest == self.head.digest:
            return self.head, self.decided
        block = self.executed.get(digest)
        if block is None:
            raise InvalidBlock("parent", expected="the head or a block in flight", got=digest.hex())
        _, below = self._known(block.header.parent)
        return block.header, below | set(block.transactions)


def build_header(parent: BlockHeader, items: list[bytes], *, time: TimeMs, proposer: ValidatorId) -> BlockHeader:
    """Return the only right header of a block with these items."""
    return BlockHeader(
        protocol=parent.protocol,
        chain_id=parent.chain_id,
        era=Era(parent.era + (parent.validators != parent.next_validators)),
        height=Height(parent.height + 1),
        parent=parent.digest,
        time=time,
        proposer=proposer,
        transactions_root=merkle.root(items),
        receipts_root=merkle.EMPTY_ROOT,
        state_root=sha256(parent.state_root + b"".join(items)),
        log_size=parent.log_size + len(items),
        log_root=merkle.EMPTY_ROOT,
        validators=parent.next_validators,
        next_validators=_next_validators(parent, items),
    )


def _next_validators(parent: BlockHeader, items: list[bytes]) -> Digest:
    if LAST_ITEM in items:
        return sha256(LAST_ITEM)
    validators = parent.next_validators
    for item in items:
        validators = changed(validators, item)
    return validators
