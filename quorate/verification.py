"""Verifying a chain from its genesis file alone: every block executed again, every certificate checked.

The steps are numbered in `Step`; each raises an error of its own, and nothing is returned that was not verified. An
error that is `Undecidable` means that evidence is missing; every other one means that the evidence was tampered with
or never valid. Blocks come from a `ChainSource`, which is trusted in nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from contracts import queries
from contracts.chain import ExecutedBlock, Tip, genesis_block, replay
from ledger.blocks import BlockHeader
from ledger.certificates import CertifiedBlock
from ledger.entries import Accepted, ActionEntry, CommitteeDrawn, RoundDecided
from ledger.errors import Undecidable
from ledger.genesis import FIRST_HEIGHT, Genesis
from ledger.hashing import Digest
from ledger.light_client import LightClient
from ledger.parameters import PROTOCOLS_KNOWN
from ledger.quantities import Height, ModelVersion, RoundNumber
from ledger.transactions import RecordBlob, RegisterTask
from ledger.validators import ValidatorSet
from quorate.errors import EvidenceMissing, GenesisDiffers
from quorate.replayed_state import ReplayedState
from quorate.sources import ChainSource


class Step(Enum):
    """What is checked, in this order."""

    GENESIS = (1, "genesis", "is canonical, and each key in it proven held")
    BLOCKS = (2, "blocks", "are canonical")
    CONTRACTS = (3, "contracts", "executed again give every root in the header")
    CERTIFICATES = (4, "certificates", "are quorums of their height's validators")
    ATTESTATIONS = (5, "attestations", "of f+1 validators agree on the whole record")
    COMMITTEE = (6, "committee", "is the one that the draw gives")
    INPUTS = (7, "inputs", "have the recorded root; base: the one before")
    BLOBS = (8, "blobs", "hash to their names; facts as a quorum signed")
    RECIPE = (9, "recipe", "applied again gives the model bit for bit")

    def __init__(self, number: int, title: str, claim: str) -> None:
        self.number = number
        self.title = title
        self.claim = claim


@dataclass(slots=True)
class Report:
    """How far a verification came."""

    passed: dict[Step, int] = field(default_factory=dict)
    """How many things passed each step."""
    lacking: set[Step] = field(default_factory=set)
    """Steps for which some evidence is missing."""
    current: tuple[Step, str] | None = None
    """What is being checked; what failed, once an error was raised."""

    @contextmanager
    def checking(self, step: Step, subject: str) -> Iterator[None]:
        """Count one thing that passes a step; an error that is raised within is that step's, about `subject`."""
        outer, self.current = self.current, (step, subject)
        yield
        self.passed[step] = self.passed.get(step, 0) + 1
        self.current = outer


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrace:
    """What later checks need of a block in which something happened to a round."""

    height: Height
    parent: Digest
    """Digest of the block before."""
    validators: ValidatorSet
    """The set that decided the block."""


@dataclass(slots=True, kw_only=True)
class ReplayedChain:
    """A chain whose every block was executed again and is final; made by `verify_chain` alone."""

    genesis: Genesis
    head: BlockHeader
    state: ReplayedState
    """State after the head."""
    draws: dict[tuple[str, RoundNumber], RoundTrace] = field(default_factory=dict)
    """Where each round's committee was drawn."""
    decisions: dict[tuple[str, ModelVersion], RoundTrace] = field(default_factory=dict)
    """Where each global model was decided, in that order; version 0 where its task was registered."""
    blobs: list[Digest] = field(default_factory=list)
    """Recorded blobs, in order."""
    transactions: int = 0


Observer = Callable[[CertifiedBlock, ExecutedBlock], None]
"""Is shown each block after it was executed; finality is only known at the end."""


def verify_chain(
    source: ChainSource, *, trusted: Genesis | None, report: Report, observers: tuple[Observer, ...] = ()
) -> ReplayedChain:
    """Verify all blocks of a source against the trusted genesis, or the source's own if there is none.

    Raises GenesisDiffers, InvalidBlock, InvalidCertificate or an InputError where the evidence contradicts itself, and
    EvidenceMissing where a block or the certificate of the head is not there.
    """
    # (1) genesis: the root of trust
    with report.checking(Step.GENESIS, f"genesis of the {source.name}"):
        genesis = source.genesis()
        if trusted is not None and genesis.data != trusted.data:
            raise GenesisDiffers(
                f"chain id of the {source.name}", expected=trusted.chain_id.hex(), got=genesis.chain_id.hex()
            )
    walk = _Walk(genesis)
    for number in range(FIRST_HEIGHT, source.head() + 1):
        subject = f"block {number}"
        # (2) the block is the canonical form of something
        with report.checking(Step.BLOCKS, subject):
            certified = source.block(Height(number))
        # (3) it follows from its parent and its transactions, and from nothing else
        with report.checking(Step.CONTRACTS, subject):
            executed = walk.execute(certified)
        # (4) a quorum of the validators of that height committed to it
        if certified.certificate is not None:
            with report.checking(Step.CERTIFICATES, subject):
                walk.finalise(certified)
        walk.move_onto(executed)
        if certified.block.header.next_validators != certified.block.header.validators:
            with report.checking(Step.CERTIFICATES, f"end of the era at {subject}"):
                walk.follow_era(certified)
        for observe in observers:
            observe(certified, executed)
    # (4) and a certificate also finalises all ancestors in its era, so that only the last block must have its own
    with report.checking(Step.CERTIFICATES, "head"):
        return walk.end()


class _Walk:
    """The state between two blocks."""

    def __init__(self, genesis: Genesis) -> None:
        first = genesis_block(genesis)
        self._state = ReplayedState(genesis.state)
        self._tree = {place: record for place, record in first.tree_writes.items() if record is not None}
        self._tip = Tip(header=first.block.header, frontier=first.frontier, state=self._state, tree=self._tree.get)
        self._light = LightClient(genesis)
        self._final = Height(0)
        self.chain = ReplayedChain(genesis=genesis, head=first.block.header, state=self._state)

    def execute(self, certified: CertifiedBlock) -> ExecutedBlock:
        """Return what a block does above the tip; raises InvalidBlock, or Undecidable for rules of a later release."""
        version = queries.parameters(self._state).protocol
        if version not in PROTOCOLS_KNOWN:
            known = f"one of {sorted(PROTOCOLS_KNOWN)}: a later release has the rules"
            raise Undecidable(f"protocol version of block {certified.block.header.height}", expected=known, got=version)
        return replay(self._tip, certified.block)

    def finalise(self, certified: CertifiedBlock) -> None:
        """Check a block's own certificate; raises InvalidBlock, InvalidCertificate."""
        header = certified.block.header
        self._light.verify_header(header, certified.certificate)
        self._final = Height(header.height)

    def move_onto(self, executed: ExecutedBlock) -> None:
        """Make an executed block the tip."""
        header = executed.block.header
        deciding = queries.validators(self._state)
        self._state.apply(executed.state_writes)
        for place, record in executed.tree_writes.items():
            if record is None:
                self._tree.pop(place, None)
            else:
                self._tree[place] = record
        self._tip = Tip(header=header, frontier=executed.frontier, state=self._state, tree=self._tree.get)
        self.chain.head = header
        self.chain.transactions += len(executed.block.transactions)
        _trace(
            self.chain, executed, RoundTrace(height=Height(header.height), parent=header.parent, validators=deciding)
        )

    def follow_era(self, certified: CertifiedBlock) -> None:
        """Learn the next era's validators from the tip, which ends an era; raises EvidenceMissing, InvalidCertificate.

        A certificate never reaches over the end of an era, so this block must have its own.
        """
        header = certified.block.header
        if certified.certificate is None:
            raise EvidenceMissing(
                f"certificate of block {header.height}", expected="its own: it ends an era", got="none"
            )
        self._light.learn(header, certified.certificate, queries.validators(self._state).members)

    def end(self) -> ReplayedChain:
        """Return the chain; raises EvidenceMissing unless the head is final."""
        if self._final != self.chain.head.height:
            raise EvidenceMissing(
                f"blocks {self._final + 1} to {self.chain.head.height}",
                expected="a commit certificate of the last one",
                got="none",
            )
        return self.chain


def _trace(chain: ReplayedChain, executed: ExecutedBlock, trace: RoundTrace) -> None:
    """Note where rounds and models came about, and what was recorded."""
    for entry in executed.entries:
        if isinstance(entry, ActionEntry):
            action = entry.action
            if isinstance(action, CommitteeDrawn):
                chain.draws[action.task, RoundNumber(action.round)] = trace
            elif isinstance(action, RoundDecided):
                chain.decisions[action.task, ModelVersion(action.version)] = trace
        elif isinstance(entry.receipt.verdict, Accepted):
            body = entry.signed.transaction.body
            if isinstance(body, RecordBlob):
                chain.blobs.append(body.blob)
            elif isinstance(body, RegisterTask):
                chain.decisions[body.task.name, ModelVersion(0)] = trace
