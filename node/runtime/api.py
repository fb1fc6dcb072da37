"""All that the REST interface may ask of a node: reads of what was appended, and the three ways in.

Ways in are a signed transaction, a signed upload, and a signed request to read a blob; the transport's identity never
stands for a signature.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from consensus.messages import CertifiedBlock
from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.blobs import BlobFacts, SignedReadRequest, SignedTicket, UpdateFacts
from ledger.entries import Receipt, TransactionEntry
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.light_client import EntryProof, StateEntryProof
from ledger.quantities import Era, Height, RoundNumber, TimeMs, ValidatorId, View
from ledger.records import BlobRecord, KeyRole, RoundRecord
from ledger.state import StateView
from ledger.transactions import decode_transaction
from node.errors import NotAuthorised, TransactionUnknown
from node.mempool import Mempool
from node.runtime.blobs import LocalBlobs
from node.runtime.gossip import Gossip
from node.runtime.holding import Holding
from node.runtime.loop import ConsensusLoop
from node.runtime.membership import Membership
from node.storage.chain_store import ChainStore
from node.storage.incoming import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """Where a transaction was appended, and how it was judged."""

    log_index: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """Another validator as this node sees it."""

    validator: ValidatorId
    connected: bool
    head: Height | None
    """Height it last claimed; a hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Where this node stands."""

    validator: ValidatorId
    height: Height
    head: Digest
    time: TimeMs
    state_root: Digest
    era: Era
    view: View
    primary: ValidatorId
    active: bool
    """Whether the view was entered; false while changing it."""
    behind: bool
    """Whether f+1 peers claim a higher head."""
    mempool_transactions: int
    mempool_bytes: int
    blob_bytes: int
    peers: tuple[PeerStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessCheck:
    """One reason to send callers here, or elsewhere."""

    name: str
    ok: bool
    detail: str


class NodeApi:
    """One running node, for callers."""

    def __init__(
        self,
        *,
        member: Membership,
        chain: ChainStore,
        mempool: Mempool,
        gossip: Gossip,
        blobs: LocalBlobs,
        holding: Holding,
        loop: ConsensusLoop,
        connected: Callable[[], frozenset[ValidatorId]],
    ) -> None:
        self.member = member
        self.chain = chain
        self._mempool = mempool
        self._gossip = gossip
        self._blobs = blobs
        self._holding = holding
        self._loop = loop
        self._connected = connected
        self._waiters: dict[Digest, set[asyncio.Future[None]]] = {}

    # --- reads -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> StateView:
        """State after the head."""
        return self.chain.state

    @property
    def height(self) -> Height:
        """Height that answers reflect."""
        return Height(self.chain.head.header.height)

    def status(self) -> NodeStatus:
        """Return where this node stands."""
        header, engine = self.chain.head.header, self._loop.engine
        connected, heads = self._connected(), engine.peer_heads
        others = [member.id for member in queries.validators(self.state).members if member.id != self.member.validator]
        return NodeStatus(
            validator=self.member.validator,
            height=Height(header.height),
            head=header.digest,
            time=TimeMs(header.time),
            state_root=header.state_root,
            era=Era(header.era),
            view=engine.view,
            primary=engine.primary,
            active=engine.is_active,
            behind=engine.is_behind,
            mempool_transactions=len(self._mempool),
            mempool_bytes=self._mempool.bytes_total,
            blob_bytes=self._blobs.store.bytes_total,
            peers=tuple(
                PeerStatus(validator=other, connected=other in connected, head=heads.get(other)) for other in others
            ),
        )

    def readiness(self) -> list[ReadinessCheck]:
        """Return what must hold for callers to be sent here."""
        status = self.status()
        connected = 1 + sum(peer.connected for peer in status.peers)
        quorum = queries.validators(self.state).quorum
        return [
            ReadinessCheck(name="peers", ok=connected >= quorum, detail=f"{connected} of {quorum} needed"),
            ReadinessCheck(name="view", ok=status.active, detail=f"view {status.view}"),
            ReadinessCheck(name="head", ok=not status.behind, detail=f"height {status.height}"),
        ]

    def block(self, height: Height) -> CertifiedBlock | None:
        """Return an appended block; genesis has no certificate."""
        block = self.chain.block(height)
        return None if block is None else CertifiedBlock(block=block, certificate=self.chain.certificate(height))

    def final(self, identity: Digest) -> Final | None:
        """Return where a transaction was appended, or None if it was not."""
        index = self.chain.find_transaction(identity)
        if index is None:
            return None
        entry = self.chain.entry(index)
        assert isinstance(entry, TransactionEntry)
        return Final(log_index=index, receipt=entry.receipt)

    def is_waiting(self, identity: Digest) -> bool:
        """Return whether a transaction waits in the mempool."""
        return identity in self._mempool

    def entry_proof(self, final: Final) -> EntryProof:
        """Return the proof that a transaction's entry stands in the log after its block."""
        return self.chain.inclusion_proof(final.log_index, Height(final.receipt.height))

    def state_proof(self, key: bytes) -> StateEntryProof:
        """Return the proof of a key's value, or absence, after the head; raises NotAppended at genesis."""
        return self.chain.state_proof(key)

    def blob_record(self, digest: Digest) -> BlobRecord | None:
        """Return what the chain records of a blob."""
        return self._holding.recorded(digest)

    # --- transactions ------------------------------------------------------------------------------------------------

    def submit(self, raw: bytes) -> Digest:
        """Take in a signed transaction and return its id; the same bytes again are no error, appended or not.

        Raises TooLarge, MalformedEncoding, NonCanonicalEncoding, WrongChain, InvalidSignature, InvalidTransaction,
        MempoolFull.
        """
        signed = decode_transaction(raw)
        identity = signed.transaction.id
        final = self.final(identity)
        if final is not None:
            signed.verify(chain_id=self.member.chain_id)
            return identity
        return self._gossip.submit(raw).transaction.id

    async def wait_final(self, identity: Digest, seconds: float) -> Final | None:
        """Return where a transaction was appended, or None if that takes longer; raises TransactionUnknown."""
        final = self.final(identity)
        if final is not None:
            return final
        if not self.is_waiting(identity):
            raise TransactionUnknown(f"transaction {identity.hex()}", expected="a known one", got="never seen here")
        appended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiters.setdefault(identity, set())
        waiting.add(appended)
        try:
            await asyncio.wait_for(appended, seconds)
        except TimeoutError:
            return None
        finally:
            waiting.discard(appended)
            if not waiting:
                self._waiters.pop(identity, None)
        return self.final(identity)

    def on_appended(self, executed: ExecutedBlock) -> None:
        """Wake up whoever waits for a transaction of this block."""
        for entry in executed.entries:
            if isinstance(entry, TransactionEntry):
                for appended in self._waiters.get(entry.signed.transaction.id, ()):
                    if not appended.done():
                        appended.set_result(None)

    # --- blobs -------------------------------------------------------------------------------------------------------

    def begin_upload(self, signed: SignedTicket) -> Incoming:
        """Check a ticket and reserve room; raises as `Holding.check_ticket`, or StorageFull."""
        ticket = self._holding.check_ticket(signed)
        return self._blobs.store.begin(ticket.blob, ticket.size, author=ticket.author, expires=ticket.expires)

    def has_blob(self, digest: Digest) -> bool:
        """Return whether this node stores a blob."""
        return self._blobs.store.has(digest)

    async def finish_upload(self, signed: SignedTicket, incoming: Incoming) -> BlobFacts:
        """Store an upload durably, examine it and let a quorum hold it.

        Raises BlobMismatch, StorageFull, WorkerFailed, or what the blob breaks; it is deleted then.
        """
        await asyncio.to_thread(incoming.sync)
        incoming.finish()
        return await self._holding.offer(signed)

    async def offer_again(self, signed: SignedTicket) -> BlobFacts:
        """Let a quorum hold a blob that is here already, after an upload that did not get that far."""
        self._holding.check_ticket(signed)
        return await self._holding.offer(signed)

    async def wait_recorded(self, digest: Digest, seconds: float) -> BlobRecord | None:
        """Return the chain's record of a blob once there is one, or None if that takes longer."""
        return await self._holding.wait_recorded(digest, seconds)

    def open_blob(self, signed: SignedReadRequest) -> tuple[BinaryIO, int]:
        """Return a blob for reading, and its size, if the key that signed may read it.

        Raises WrongChain, InvalidSignature, InputError for an expired request, NotAuthorised, BlobNotFound.
        """
        request = signed.verify(chain_id=self.member.chain_id)
        furthest = self.height + queries.parameters(self.state).upload_heights_max
        if not self.height <= request.expires <= furthest:
            raise InputError("expiry of the request", expected=f"{self.height} to {furthest}", got=request.expires)
        record = queries.key_record(self.state, request.author)
        if record is None:
            raise NotAuthorised("reader", expected="a key on chain", got=request.author.hex())
        if self._is_update(request.blob):
            self._check_update_reader(request.blob, record.role)
        return self._blobs.store.open(request.blob), self._blobs.store.size(request.blob)

    def _is_update(self, digest: Digest) -> bool:
        """Return whether a blob is an update; what is not examined yet counts as one."""
        if not self._blobs.store.has(digest):
            return False
        stored = self._blobs.store.record(digest)
        derived = stored.facts is None and stored.recorded  # the float32 view of a recorded model
        return isinstance(stored.facts, UpdateFacts) or (stored.facts is None and not derived)

    def _check_update_reader(self, digest: Digest, role: KeyRole) -> None:
        """Let validators read updates, and operators, who audit, those that a closed round accepted and no open one."""
        if role is KeyRole.SERVICE:
            return
        if role is not KeyRole.OPERATOR:
            raise NotAuthorised("reader of an update", expected="a validator or an operator", got=role.name.lower())
        closed = [record.closed_height is not None for record in self._rounds_that_accepted(digest)]
        if not closed or not all(closed):
            raise NotAuthorised(
                "reader of an update",
                expected="one whose rounds have closed",
                got="an open round" if closed else "none",
            )

    def _rounds_that_accepted(self, digest: Digest) -> Iterator[RoundRecord]:
        for task in queries.tasks(self.state):
            for number in range(1, task.round + 1):
                used = queries.participations(self.state, task.spec.name, RoundNumber(number)).values()
                record = queries.round_record(self.state, task.spec.name, RoundNumber(number))
                if record is not None and any(item.blob == digest for item in used):
                    yield record
