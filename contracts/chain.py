"""Making and checking blocks: the one way from a tip and some transactions to a header that commits to everything.

`propose` and `replay` share all of it, so a proposer's block and its replay can differ only by a bug, and then every
honest backup sees the same difference. Nothing is copied or written: an executed block carries what a store has to
write, and the tip after it reads through to its parent's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from contracts import queries
from contracts.context import BlockContext
from contracts.execution import Execution, execute
from contracts.validity import BlockAdmission, TransactionReader
from ledger import merkle, state_tree
from ledger.blocks import Block, BlockHeader
from ledger.encoding import encode
from ledger.entries import Entry, TransactionEntry
from ledger.errors import InputError, InvalidBlock, InvalidTransaction
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.merkle import Frontier
from ledger.quantities import TimeMs, ValidatorId
from ledger.state import MemoryState, Overlay, StateView
from ledger.transactions import SignedTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """The end of a chain: all that the next block depends on."""

    header: BlockHeader
    frontier: Frontier
    """Right edge of the log."""
    state: StateView
    tree: state_tree.Reader
    """Records of the state tree."""


@dataclass(frozen=True, kw_only=True)
class ExecutedBlock:
    """A block and everything that follows from it: what a store writes in one batch."""

    block: Block
    entries: tuple[Entry, ...]
    state_writes: dict[bytes, bytes | None]
    tree_writes: state_tree.Writes
    log_nodes: tuple[tuple[int, int, Digest], ...]
    """Subtrees of the log that this block completes, as (level, index, root)."""
    frontier: Frontier

    @cached_property
    def ids(self) -> frozenset[Digest]:
        """Names of its transactions."""
        return frozenset(entry.signed.transaction.id for entry in self.entries if isinstance(entry, TransactionEntry))

    def tip(self, parent: Tip) -> Tip:
        """Return the tip after this block; it reads through to `parent`, which must be the one it was executed on."""
        assert self.block.header.parent == parent.header.digest
        return tip_over(parent, self, state_writes=self.state_writes, tree_writes=self.tree_writes)


def tip_over(
    base: Tip, top: ExecutedBlock, *, state_writes: dict[bytes, bytes | None], tree_writes: state_tree.Writes
) -> Tip:
    """Return the tip after `top`, given what the blocks above `base` up to `top` have written, each over the one below.

    It reads through to `base` and to these writes, in one step however many blocks they are of.
    """
    state = Overlay(base.state)
    state.writes = state_writes

    def tree(place: bytes) -> bytes | None:
        return tree_writes[place] if place in tree_writes else base.tree(place)

    return Tip(header=top.block.header, frontier=top.frontier, state=state, tree=tree)


def genesis_block(genesis: Genesis) -> ExecutedBlock:
    """Return block 0 with what a new store has to write."""
    _, tree_writes = state_tree.update(lambda _: None, genesis.state)
    return ExecutedBlock(
        block=genesis.block,
        entries=(),
        state_writes=dict(genesis.state),
        tree_writes=tree_writes,
        log_nodes=(),
        frontier=Frontier(),
    )


def genesis_tip(genesis: Genesis) -> Tip:
    """Return the tip of a chain that has only its genesis, held in memory."""
    executed = genesis_block(genesis)
    return Tip(
        header=executed.block.header,
        frontier=executed.frontier,
        state=MemoryState(genesis.state),
        tree=executed.tree_writes.get,
    )


def propose(
    tip: Tip,
    *,
    time: TimeMs,
    proposer: ValidatorId,
    candidates: Iterable[bytes],
    reader: TransactionReader | None = None,
) -> ExecutedBlock:
    """Return the block above `tip` with those candidates that are valid and fit, in their order."""
    assert time >= tip.header.time, "a block is never older than its parent"
    context = BlockContext.following(tip.header, tip.state, time=time)
    admission = _admission(context, reader)
    taken: list[bytes] = []
    transactions: list[SignedTransaction] = []
    for raw in candidates:
        if admission.full:
            break
        try:
            transactions.append(admission.admit(raw))
        except (InputError, InvalidTransaction):
            continue
        taken.append(raw)
    raws = tuple(taken)
    execution = execute(context, transactions)
    return _seal(tip, context, execution, proposer=proposer, raws=raws, transactions_root=merkle.root(raws))


def replay(tip: Tip, block: Block, reader: TransactionReader | None = None) -> ExecutedBlock:
    """Return what `block` does above `tip`; raises InvalidBlock unless it is exactly what follows from its contents."""
    header = block.header
    if header.time < tip.header.time:
        raise InvalidBlock(f"time of block {header.height}", expected=f"at least {tip.header.time}", got=header.time)
    context = BlockContext.following(tip.header, tip.state, time=header.time)
    if header.proposer not in context.validators:
        raise InvalidBlock(
            f"proposer of block {header.height}", expected=f"one of {list(context.validators.ids)}", got=header.proposer
        )
    _compare(_place(context), header)
    _compare({"transactions_root": block.transactions_root}, header)
    transactions = _admit_all(_admission(context, reader), block.transactions)
    executed = _seal(
        tip,
        context,
        execute(context, transactions),
        proposer=header.proposer,
        raws=block.transactions,
        transactions_root=block.transactions_root,
    )
    expected = executed.block.header
    _compare({name: getattr(expected, name) for name in BlockHeader.__struct_fields__}, header)
    return executed


def _admission(context: BlockContext, reader: TransactionReader | None) -> BlockAdmission:
    return BlockAdmission(context.before, height=context.height, chain_id=context.chain_id, reader=reader)


def _admit_all(admission: BlockAdmission, raws: Sequence[bytes]) -> list[SignedTransaction]:
    transactions = []
    for index, raw in enumerate(raws):
        try:
            transactions.append(admission.admit(raw))
        except (InputError, InvalidTransaction) as error:
            raise InvalidBlock(f"transaction {index} of the block is invalid ({error})") from error
    return transactions


def _place(context: BlockContext) -> dict[str, int | bytes]:
    """Return the header fields that follow from the parent alone."""
    return {
        "protocol": context.parameters.protocol,
        "chain_id": context.chain_id,
        "era": context.era,
        "height": context.height,
        "parent": context.parent,
        "validators": context.validators.digest,
    }


def _compare(expected: dict[str, int | bytes], header: BlockHeader) -> None:
    for name, value in expected.items():
        got = getattr(header, name)
        if got != value:
            raise InvalidBlock(f"{name} in header {header.height}", expected=_text(value), got=_text(got))


def _text(value: int | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _seal(
    tip: Tip,
    context: BlockContext,
    execution: Execution,
    *,
    proposer: ValidatorId,
    raws: tuple[bytes, ...],
    transactions_root: Digest,
) -> ExecutedBlock:
    """Put an executed block under a header."""
    state = Overlay(tip.state)
    state.writes = execution.writes
    state_root, tree_writes = state_tree.update(tip.tree, execution.writes)
    frontier, log_nodes = tip.frontier.append(*(entry.leaf for entry in execution.entries))
    header = BlockHeader(
        protocol=context.parameters.protocol,
        chain_id=context.chain_id,
        era=context.era,
        height=context.height,
        parent=context.parent,
        time=context.time,
        proposer=proposer,
        transactions_root=transactions_root,
        receipts_root=merkle.root(encode(entry.receipt) for entry in execution.entries),
        state_root=state_root,
        log_size=frontier.size,
        log_root=frontier.root(),
        validators=context.validators.digest,
        next_validators=queries.validators(state).digest,
    )
    return ExecutedBlock(
        block=Block(header=header, transactions=raws),
        entries=execution.entries,
        state_writes=execution.writes,
        tree_writes=tree_writes,
        log_nodes=tuple(log_nodes),
        frontier=frontier,
    )
