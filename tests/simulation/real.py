"""What lies below the engine in a node, in a run: contracts, mempool, chain store and vote log, over a simulated disk.

Runs with the toy application are quicker; this one has the code that a node has, with signed transactions, executed
blocks and the vote log's bytes. What a crash leaves is what was synced: a write of the store that was not is gone, and
the last group of the vote log is torn at any byte. State and log roots are computed again by code that shares nothing
with the ledger.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

from consensus.messages import Choice
from consensus.new_view import EraContext
from consensus.replica import ends_era
from contracts import queries
from contracts.chain import genesis_block
from contracts.errors import ReplayedTransaction
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CertifiedBlock
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import Era, Height, TimeMs, ValidatorId
from ledger.state import MemoryState
from node.config import LimitsSection
from node.mempool import Mempool
from node.runtime.application import ChainApplication
from node.storage.chain_store import ChainStore
from node.storage.kv import MemoryStore
from node.storage.read_cache import ReadCache
from node.storage.vote_groups import Position, new_file, new_group, recover
from tests.consortium import Consortium, consortium, signing_key
from tests.node.storage.chains import enrolment
from tests.simulation.chain import remember
from tests.simulation.node import Disk
from tests.simulation.real_changes import KINDS, change_transaction, learner_name
from tests.simulation.verifier import root_of
from tests.simulation.violation import Violation

MARKER = b"simulate"
VALID_HEIGHTS = 5_000
"""More blocks than a run can have."""


@cache
def members(size: int, window: int) -> Consortium:
    """Return the consortium of a run."""
    return consortium(validators=size, parameters=ChainParameters(window=window))


def era_context(size: int, window: int) -> tuple[EraContext, BlockHeader]:
    """Return what everything of the first era is checked against, and genesis."""
    genesis = members(size, window).genesis
    header = genesis_block(genesis).block.header
    validators = remember(queries.validators(MemoryState(genesis.state)))
    root = Choice(height=Height(0), digest=header.digest)
    context = EraContext(chain_id=genesis.chain_id, era=Era(0), validators=validators, root=root, window=window)
    return context, header


def transaction(size: int, window: int, item: bytes) -> bytes:
    """Return the signed transaction that stands for an item."""
    if item[:1] in KINDS:
        return change_transaction(members(size, window), item, valid_until=VALID_HEIGHTS)
    return enrolment(members(size, window), int.from_bytes(sha256(item).digest()[:4]), valid_until=VALID_HEIGHTS)


def key(size: int, window: int, who: ValidatorId) -> SigningKey:
    """Return the first vote key of a process."""
    return members(size, window).votes.get(who) or signing_key(f"{learner_name(who)}/vote")


class SimulatedStore(MemoryStore):
    """A store whose writes survive a crash only if they, or later ones, were synced."""

    def __init__(self, durable: dict[bytes, bytes]) -> None:
        super().__init__(dict(durable))
        self._durable = durable
        self._unsynced: dict[bytes, bytes | None] = {}

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Write at once; make durable if `sync` says so, with everything before."""
        super().write(batch, sync=sync)
        self._unsynced.update(batch)
        if not sync:
            return
        for key, value in self._unsynced.items():
            if value is None:
                self._durable.pop(key, None)
            else:
                self._durable[key] = value
        self._unsynced.clear()


class RealApplication(ChainApplication):
    """A node's application, with what a run asks of one."""

    def __init__(self, durable: dict[bytes, bytes], genesis: Genesis) -> None:
        self.kv = SimulatedStore(durable)
        self.store = ChainStore(ReadCache(self.kv), genesis)
        super().__init__(self.store, Mempool(LimitsSection()), genesis.chain_id)

    @property
    def head(self) -> BlockHeader:
        """Last appended header."""
        return self.store.head.header

    def prepare_proposal(self, parent: Digest, *, time: TimeMs, proposer: ValidatorId) -> Block:
        """Build a block; a set that would follow from it may be named in headers from now on."""
        block = super().prepare_proposal(parent, time=time, proposer=proposer)
        self._remember_set(block)
        return block

    def process_proposal(self, block: Block) -> None:
        """Execute a block; likewise."""
        super().process_proposal(block)
        self._remember_set(block)

    def _remember_set(self, block: Block) -> None:
        if ends_era(block.header):
            remember(queries.validators(self._tip(block.digest).state))

    def submit(self, raw: bytes) -> None:
        """Admit a caller's transaction; one that was decided, or waits, is none of its business any more."""
        with suppress(ReplayedTransaction):
            self.admit(raw)

    def append(self, blocks: Sequence[CertifiedBlock]) -> None:
        """Append, then compute again what the last header commits to."""
        super().append(blocks)
        check_roots(self.kv, self.head)


@dataclass(slots=True)
class RealDisk(Disk):
    """The chain's database and the bytes of the vote log."""

    genesis: Genesis = field(kw_only=True)
    durable: dict[bytes, bytes] = field(default_factory=dict)
    """What the database holds after a crash."""
    log: bytes = b""
    position: Position = field(init=False)

    def __post_init__(self) -> None:
        self.log, self.position = new_file(self.genesis.chain_id, MARKER)

    def opened(self, genesis: BlockHeader) -> RealApplication:
        """Open the database; raises Violation unless it holds all that was appended."""
        application = RealApplication(self.durable, self.genesis)
        assert genesis.digest == genesis_block(self.genesis).block.digest
        found = [application.block_at(Height(height)) for height in range(1, application.head.height + 1)]
        if found != self.blocks:
            raise Violation(f"durable: {len(self.blocks)} blocks were appended, {len(found)} are there after a crash")
        return application

    def sync(self) -> None:
        """Write what waits as one group of the log."""
        if self.unsynced:
            group, self.position = new_group(self.unsynced, self.position)
            self.log += group
        Disk.sync(self)

    def crash(self, chance: random.Random, keeps: int | None) -> None:
        """Tear the group that was being written, and read the log back."""
        del keeps
        if self.unsynced:
            group, _ = new_group(self.unsynced, self.position)
            self.log += group[: chance.randint(0, len(group))]
            self.unsynced = []
        recovered, self.position = recover(self.log, chain_id=self.genesis.chain_id)
        self.log = self.log[: self.position.end]
        self.records = list(recovered.records)

    def cut(self) -> None:
        """Rewrite the log with what is still needed."""
        Disk.cut(self)
        self.log, self.position = new_file(self.genesis.chain_id, MARKER)
        for group in (self.records, []):
            written, self.position = new_group(group, self.position)
            self.log += written


def check_roots(kv: MemoryStore, header: BlockHeader) -> None:
    """Raise Violation unless state and log are those that a header commits to."""
    leaves = sorted(
        (sha256(key.removeprefix(b"state/")).digest(), sha256(value).digest()) for key, value in kv.scan(b"state/")
    )
    if _state_root(leaves, 0) != header.state_root:
        raise Violation(f"state: the state after block {header.height} is not the one that its header names")
    entries = [value for _, value in kv.scan(b"entry/")]
    if (len(entries), root_of(entries)) != (header.log_size, header.log_root):
        raise Violation(f"state: the log after block {header.height} is not the one that its header names")


def _state_root(leaves: Sequence[tuple[bytes, bytes]], depth: int) -> bytes:
    """Return the root of a subtree by its definition; `leaves` are paths and digests of values, in ascending order."""
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return sha256(b"\0" + b"".join(leaves[0])).digest()
    halves: tuple[list[tuple[bytes, bytes]], ...] = ([], [])
    for leaf in leaves:
        halves[leaf[0][depth // 8] >> (7 - depth % 8) & 1].append(leaf)
    return sha256(b"\1" + b"".join(_state_root(half, depth + 1) for half in halves)).digest()
