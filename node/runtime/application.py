"""The chain as consensus orders it: `consensus.ports.Application` over contracts, store and mempool.

Executed blocks are kept by digest until they are appended or overtaken; tips of blocks in flight read through to the
store. A signature is checked once, at admission, and remembered under the hash of the whole signed transaction: never
under the id, which leaves the signature out.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from contracts import due, queries
from contracts.chain import ExecutedBlock, Tip, due_now, next_due_time, propose, replay
from contracts.validity import BlockAdmission
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock
from ledger.entries import TransactionEntry
from ledger.errors import InputError, InvalidBlock, InvalidTransaction
from ledger.hashing import Digest, sha256
from ledger.parameters import PROTOCOLS_KNOWN
from ledger.quantities import Height, TimeMs, ValidatorId
from ledger.state import StateView
from ledger.transactions import SignedTransaction, decode_transaction
from node.errors import ProtocolUnknown
from node.mempool import Mempool
from node.storage.chain_store import ChainStore

VERIFIED_MAX = 65_536
"""Signatures remembered."""


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
        self._executed: dict[Digest, ExecutedBlock] = {}
        self._verified: OrderedDict[Digest, None] = OrderedDict()
        self._on_appended: list[Callable[[ExecutedBlock], None]] = []

    def on_appended(self, listener: Callable[[ExecutedBlock], None]) -> None:
        """Call `listener` with every block once it is durable."""
        self._on_appended.append(listener)

    def admit(self, raw: bytes) -> tuple[SignedTransaction, bool]:
        """Check a caller's transaction against the tip and let it wait; False if it waited already.

        Raises InputError, InvalidTransaction, MempoolFull.
        """
        signed = decode_transaction(raw)
        if signed.transaction.id in self._mempool:
            self._verify_signature(raw, signed)
            return signed, False
        tip = self._store.tip()
        self._admission(tip).check(signed)
        self._verify_signature(raw, signed)
        return signed, self._mempool.add(signed, raw)

    def has_work(self, parent: Digest, time: TimeMs) -> bool:
        """Return whether a block on `parent` would have a due action or a transaction."""
        tip = self._tip(parent)
        if not self.knows_next(tip.state):
            return False
        if due_now(tip.state, time):
            return True
        if not len(self._mempool):
            return False
        admission = self._admission(tip)
        return any(_passes(admission, waiting.signed) for waiting in self._mempool.candidates())

    def prepare_proposal(self, parent: Digest, *, time: TimeMs, proposer: ValidatorId) -> Block:
        """Build and execute a block of waiting transactions, in fair order; raises ProtocolUnknown."""
        candidates = (waiting.raw for waiting in self._mempool.candidates())
        executed = propose(
            self._known_tip(parent),
            time=time,
            proposer=proposer,
            candidates=candidates,
            verify_signature=self._verify_signature,
        )
        self._executed[executed.block.digest] = executed
        return executed.block

    def process_proposal(self, block: Block) -> None:
        """Execute a block on its parent and keep the result; raises InvalidBlock, or ProtocolUnknown."""
        digest = block.digest
        if digest not in self._executed:
            self._executed[digest] = replay(self._known_tip(block.header.parent), block, self._verify_signature)

    def oldest_pending(self, time: TimeMs) -> bytes | None:
        """Name the due action or transaction that has waited longest."""
        if not self.knows_next(self._store.tip().state):
            return None
        for mark, _ in due.due_at(self._store.tip().state, time, most=1):
            return mark
        oldest = self._mempool.oldest()
        return None if oldest is None else oldest.signed.transaction.id

    def next_due_time(self) -> TimeMs | None:
        """Return when the next due action of the chain comes up."""
        return next_due_time(self._store.tip().state)

    def block_at(self, height: Height) -> CertifiedBlock | None:
        """Return an appended block above genesis."""
        block = self._store.block(height) if height > 0 else None
        return None if block is None else CertifiedBlock(block=block, certificate=self._store.certificate(height))

    def append(self, blocks: Sequence[CertifiedBlock]) -> None:
        """Make final blocks durable in one batch, then tell whoever wants to know; raises StorageFailed."""
        pairs = [(self._executed[certified.block.digest], certified.certificate) for certified in blocks]
        self._store.append_many(pairs)
        head = self._store.head.header.height
        self._executed = {
            digest: executed for digest, executed in self._executed.items() if executed.block.header.height > head
        }
        for executed, _ in pairs:
            for entry in executed.entries:
                if isinstance(entry, TransactionEntry):
                    self._mempool.remove(entry.signed.transaction.id)
        self._mempool.prune(lambda signed: signed.transaction.valid_until <= head)
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
        if digest == self._store.head.header.digest:
            return self._store.tip()
        executed = self._executed.get(digest)
        if executed is None:
            raise InvalidBlock("parent", expected="the head or a block in flight", got=digest.hex())
        return executed.tip(self._tip(executed.block.header.parent))

    def _admission(self, tip: Tip) -> BlockAdmission:
        height = Height(tip.header.height + 1)
        return BlockAdmission(tip.state, height=height, chain_id=self._chain_id)

    def _verify_signature(self, raw: bytes, signed: SignedTransaction) -> None:
        key = sha256(raw)
        if key in self._verified:
            self._verified.move_to_end(key)
            return
        signed.verify(chain_id=self._chain_id)
        self._verified[key] = None
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)


def _passes(admission: BlockAdmission, signed: SignedTransaction) -> bool:
    try:
        admission.check(signed)
    except (InputError, InvalidTransaction):
        return False
    return True
