"""A chain in memory with everybody's keys: each block is proposed, replayed, compared and then appended."""

from collections.abc import Sequence

from contracts import due, queries
from contracts.chain import ExecutedBlock, Tip, genesis_block, propose, replay
from ledger.blobs import BlobFacts, Hold, HoldSignature
from ledger.encoding import encode
from ledger.entries import Accepted, ActionEntry, ProtocolActivated, Rejected, SystemAction, TransactionEntry, Verdict
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import Height, TimeMs, ValidatorId
from ledger.state import MemoryState, StateView
from ledger.transactions import Body, RecordBlob, SignedTransaction, Transaction
from tests.consortium import Consortium, consortium


def digest(name: str) -> Digest:
    """Return the digest of the blob of this name."""
    return sha256(name.encode())


def verdicts(executed: ExecutedBlock) -> list[Verdict]:
    """Return the verdicts on a block's transactions, in order."""
    return [entry.receipt.verdict for entry in executed.entries if isinstance(entry, TransactionEntry)]


def actions(executed: ExecutedBlock) -> list[SystemAction]:
    """Return the actions of the chain itself in a block, in order."""
    return [entry.action for entry in executed.entries if isinstance(entry, ActionEntry)]


def task_actions(executed: ExecutedBlock) -> list[tuple[type[SystemAction], str]]:
    """Return what the chain did about tasks in a block, and which, in order."""
    return [(type(done), done.task) for done in actions(executed) if not isinstance(done, ProtocolActivated)]


def refused(rule: str, *values: int) -> Rejected:
    """Return the verdict that a rule refuses with these integers."""
    return Rejected(rule=rule, values=values)


def next_due_time(state: StateView) -> TimeMs | None:
    """Return when the next action of the chain itself falls due."""
    first = due.first(state)
    return None if first is None else first[0]


def due_now(state: StateView, time: TimeMs) -> bool:
    """Return whether a block at `time` would begin with an action of the chain itself."""
    earliest = next_due_time(state)
    return earliest is not None and earliest <= time


class Chain:
    """A chain, the keys of everybody on it, and a clock that the blocks drive."""

    def __init__(self, *, validators: int = 4, trainers: int = 1, parameters: ChainParameters | None = None) -> None:
        self.members: Consortium = consortium(validators=validators, trainers=trainers, parameters=parameters)
        genesis = self.members.genesis
        self.chain_id = genesis.chain_id
        first = genesis_block(genesis)
        self.state = MemoryState(genesis.state)
        self._tree = first.tree_writes
        self.tip = Tip(header=first.block.header, frontier=first.frontier, state=self.state, tree=self._tree.get)
        self.blocks: list[ExecutedBlock] = []
        self._nonce = 0

    @property
    def height(self) -> Height:
        return self.tip.header.height

    @property
    def time(self) -> TimeMs:
        return self.tip.header.time

    @property
    def operator(self) -> SigningKey:
        return self.members.operators["org-00"]

    def sign(self, key: SigningKey, body: Body, *, valid_until: int | None = None) -> bytes:
        """Return a signed transaction with a nonce of its own."""
        self._nonce += 1
        transaction = Transaction(
            chain_id=self.chain_id,
            author=key.public,
            nonce=self._nonce.to_bytes(16, "big"),
            valid_until=Height(self.height + 100 if valid_until is None else valid_until),
            body=body,
        )
        return encode(SignedTransaction.sign(transaction, key))

    def block(self, *raws: bytes, after: int = 1_000, time: int | None = None) -> ExecutedBlock:
        """Append the block with exactly these transactions, `after` milliseconds after the tip, or at `time`."""
        moment = TimeMs(self.time + after if time is None else time)
        proposer = queries.validators(self.state).ids[0]
        executed = propose(self.tip, time=moment, proposer=proposer, candidates=raws)
        assert executed.block.transactions == raws, "a transaction of the test is invalid"
        replayed = replay(self.tip, executed.block)
        assert replayed.block.digest == executed.block.digest
        self.append(executed)
        return executed

    def append(self, executed: ExecutedBlock) -> None:
        """Move the tip onto an executed block."""
        self.blocks.append(executed)
        self.state.apply(executed.state_writes)
        self._tree.update(executed.tree_writes)
        self.tip = Tip(header=executed.block.header, frontier=executed.frontier, state=self.state, tree=self._tree.get)

    def verdict(self, key: SigningKey, body: Body, *, after: int = 1_000, time: int | None = None) -> Verdict:
        """Return the verdict on one transaction in a block of its own."""
        (verdict,) = verdicts(self.block(self.sign(key, body), after=after, time=time))
        return verdict

    def accepted(self, key: SigningKey, body: Body) -> tuple[int, ...]:
        """Return the values of a transaction that must be accepted, in a block of its own."""
        verdict = self.verdict(key, body)
        assert isinstance(verdict, Accepted), verdict
        return verdict.values

    def hold(self, validator: int, blob: Digest, facts: BlobFacts, *, size: int = 1_000) -> HoldSignature:
        """Return a validator's signature that it holds a blob."""
        number = ValidatorId(validator)
        era, _ = queries.era(self.state)
        statement = Hold(era=era, blob=blob, size=size, facts=facts)
        return HoldSignature(
            validator=number, signature=statement.sign(self.members.services[number], chain_id=self.chain_id)
        )

    def recording(
        self, blob: Digest, facts: BlobFacts, *, size: int = 1_000, holders: Sequence[int] | None = None
    ) -> RecordBlob:
        """Return the body that records a blob on the word of these validators; by default the first quorum."""
        if holders is None:
            current = queries.validators(self.state)
            holders = current.ids[: current.quorum]
        holds = tuple(self.hold(holder, blob, facts, size=size) for holder in holders)
        return RecordBlob(blob=blob, size=size, facts=facts, holds=holds)

    def record(self, blob: Digest, facts: BlobFacts) -> bytes:
        """Return the signed transaction that records a blob."""
        return self.sign(self.operator, self.recording(blob, facts))
