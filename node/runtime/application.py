"""The chain as consensus orders it: `consensus.ports.Application` over contracts, store and mempool.

Executed blocks are kept by digest until they are appended or overtaken; tips of blocks in flight read through to the
store. What is asked at every message (is there work, what has waited longest) is answered from what was found once a
block.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from consensus.replica import ends_era
from contracts import due, queries
from contracts.chain import ExecutedBlock, Tip, propose, replay
from contracts.validity import BlockAdmission
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.errors import InputError, InvalidTransaction
from ledger.hashing import Digest
from ledger.parameters import PROTOCOLS_KNOWN
from ledger.quantities import Height, TimeMs, ValidatorId
from ledger.state import StateView
from ledger.transactions import SignedTransaction, decode_transaction
from node.errors import ProtocolUnknown
from node.mempool import Mempool, Waiting
from node.runtime.in_flight import InFlight
from node.runtime.known import KnownTransactions
from node.storage.chain_store import ChainStore

Appending: TypeAlias = Sequence[tuple[ExecutedBlock, CommitCertificate | None]]
"""Consecutive blocks with their certificates."""


class ChainApplication:
    """Executes blocks; everything durable is the store's."""

    def __init__(
        self, store: ChainStore, mempool: Mempool, chain_id: Digest, *, protocols: AbstractSet[int] = PROTOCOLS_KNOWN
    ) -> None:
        """`protocols` are the versions of the rules that this software knows."""
        self._store = store
        self._mempool = mempool
        self._chain_id = chain_id
        self._protocols = protocols
        self._known = KnownTransactions(mempool, chain_id)
        self._executed: dict[Digest, ExecutedBlock] = {}
        self._in_flight = InFlight(self._executed)
        self._first_due: dict[Digest, tuple[TimeMs, bytes] | None] = {}
        """Time and key of the mark that is due first after the head and after executed blocks, by digest."""
        self._at_head: tuple[Digest, BlockAdmission] | None = None
        """What callers' transactions are checked by, and the head that it is for."""
        self._on_appending: list[Callable[[Appending], None]] = []
        self._on_appended: list[Callable[[ExecutedBlock], None]] = []

    def on_appending(self, listener: Callable[[Appending], None]) -> None:
        """Call `listener` with blocks that are about to be appended, while the store still ends before them."""
        self._on_appending.append(listener)

    def on_appended(self, listener: Callable[[ExecutedBlock], None]) -> None:
        """Call `listener` with every block once it is durable."""
        self._on_appended.append(listener)

    def admit(self, raw: bytes) -> tuple[SignedTransaction, bool]:
        """Check a caller's transaction against the tip and let it wait; False if it waited already.

        Raises InputError, InvalidTransaction, MempoolFull.
        """
        waiting = self._mempool.find(raw)
        if waiting is not None:
            return waiting, False
        signed = decode_transaction(raw)
        if signed.transaction.id in self._mempool:
            self._known.verify(raw, signed)
            return signed, False
        self._admission_at_head().check(signed)
        self._known.verify(raw, signed)
        return signed, self._mempool.add(signed, raw)

    def has_work(self, parent: Digest, time: TimeMs) -> bool:
        """Return whether a block on `parent` would have a due action or enough transactions.

        On the head one is enough. Behind blocks in flight it takes as many as they hold together, or a full block: so a
        lone caller never waits, and under load a few large blocks are on their way instead of many small ones, whose
        votes and syncs cost the same. Whatever waits is at the latest proposed once those in flight are appended.
        """
        tip = self._tip(parent)
        if not self.knows_next(tip.state):
            return False
        due_first = self._due_first(parent)
        if due_first is not None and due_first[0] <= time:
            return True
        taken = self._taken(parent)
        full = queries.parameters(tip.state).block_transactions_max
        if len(self._mempool) - len(taken) < max(1, min(len(taken), full)):
            return False
        admission = BlockAdmission(tip.state, height=Height(tip.header.height + 1), chain_id=self._chain_id)
        return any(_passes(admission, waiting.signed) for waiting in self._candidates(taken))

    def prepare_proposal(self, parent: Digest, *, time: TimeMs, proposer: ValidatorId) -> Block:
        """Build and execute a block of waiting transactions, in fair order; raises ProtocolUnknown."""
        candidates = (waiting.raw for waiting in self._candidates(self._taken(parent)))
        executed = propose(
            self._known_tip(parent), time=time, proposer=proposer, candidates=candidates, reader=self._known
        )
        self._executed[executed.block.digest] = executed
        return executed.block

    def process_proposal(self, block: Block) -> None:
        """Execute a block on its parent and keep the result; raises InvalidBlock, or ProtocolUnknown."""
        digest = block.digest
        if digest not in self._executed:
            self._executed[digest] = replay(self._known_tip(block.header.parent), block, self._known)

    def oldest_pending(self, time: TimeMs) -> bytes | None:
        """Name the due action or transaction that has waited longest."""
        head = self._store.tip()
        if not self.knows_next(head.state):
            return None
        due_first = self._due_first(head.header.digest)
        if due_first is not None and due_first[0] <= time:
            return due_first[1]
        oldest = self._mempool.oldest()
        return None if oldest is None else oldest.signed.transaction.id

    def next_due_time(self) -> TimeMs | None:
        """Return when the next due action of the chain comes up."""
        due_first = self._due_first(self._store.head.header.digest)
        return None if due_first is None else due_first[0]

    def block_at(self, height: Height) -> CertifiedBlock | None:
        """Return an appended block above genesis."""
        block = self._store.block(height) if height > 0 else None
        return None if block is None else CertifiedBlock(block=block, certificate=self._store.certificate(height))

    def append(self, blocks: Sequence[CertifiedBlock]) -> None:
        """Make final blocks durable in one batch, then tell whoever wants to know; raises StorageFailed."""
        pairs = [(self._executed[certified.block.digest], certified.certificate) for certified in blocks]
        for before in self._on_appending:
            before(pairs)
        self._store.append_many(pairs)
        head = self._store.head.header
        for digest in [it for it, executed in self._executed.items() if executed.block.header.height <= head.height]:
            del self._executed[digest]
        self._first_due = {
            digest: found
            for digest, found in self._first_due.items()
            if digest in self._executed or digest == head.digest
        }
        for executed, _ in pairs:
            for identity in executed.ids:
                self._mempool.remove(identity)
        self._mempool.expire(Height(head.height))
        if any(ends_era(certified.block.header) for certified in blocks):
            # What a key without a role has signed is never decided: as the oldest item it would end view after view.
            state = self._store.tip().state
            self._mempool.keep_authors(lambda key: queries.key_record(state, key) is not None)
        for executed, _ in pairs:
            for listener in self._on_appended:
                listener(executed)

    def knows_next(self, state: StateView) -> bool:
        """Return whether this software knows the rules of the block after `state`."""
        return queries.parameters(state).protocol in self._protocols

    def check_next(self, state: StateView) -> None:
        """Raise ProtocolUnknown unless this software knows the rules of the block after `state`: it must not judge."""
        if not self.knows_next(state):
            raise ProtocolUnknown(
                "protocol version of the next block",
                expected=f"one of {sorted(self._protocols)}",
                got=queries.parameters(state).protocol,
            )

    def _known_tip(self, digest: Digest) -> Tip:
        """Return the tip below a block that may be judged here; raises as `_tip`, and ProtocolUnknown."""
        tip = self._tip(digest)
        self.check_next(tip.state)
        return tip

    def _tip(self, digest: Digest) -> Tip:
        """Return the tip after an appended or executed block; raises InvalidBlock for an unknown one."""
        return self._in_flight.tip(self._store.tip(), digest)

    def _taken(self, digest: Digest) -> AbstractSet[Digest]:
        """Return the ids of what is in flight up to a block."""
        return self._in_flight.ids(self._store.head.header.digest, digest)

    def _candidates(self, taken: AbstractSet[Digest]) -> Iterator[Waiting]:
        """Yield what waits, in fair order, without what blocks in flight hold already."""
        return (waiting for waiting in self._mempool.candidates() if waiting.signed.transaction.id not in taken)

    def _due_first(self, digest: Digest) -> tuple[TimeMs, bytes] | None:
        """Return what is due first after the head or an executed block; raises InvalidBlock for an unknown one."""
        if digest not in self._first_due:
            self._first_due[digest] = due.first(self._tip(digest).state)
        return self._first_due[digest]

    def _admission_at_head(self) -> BlockAdmission:
        tip = self._store.tip()
        if self._at_head is None or self._at_head[0] != tip.header.digest:
            height = Height(tip.header.height + 1)
            self._at_head = (tip.header.digest, BlockAdmission(tip.state, height=height, chain_id=self._chain_id))
        return self._at_head[1]


def _passes(admission: BlockAdmission, signed: SignedTransaction) -> bool:
    try:
        admission.check(signed)
    except (InputError, InvalidTransaction):
        return False
    return True
