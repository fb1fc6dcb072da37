"""All that the REST interface may ask of a node: reads of what was appended, and the three ways in.

Ways in are a signed transaction, a signed upload, and a signed request to read a blob; the transport's identity never
stands for a signature.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.blobs import BlobFacts, SignedReadRequest, SignedTicket
from ledger.certificates import CertifiedBlock
from ledger.entries import Receipt, TransactionEntry
from ledger.errors import QuorateError
from ledger.hashing import Digest
from ledger.light_client import EntryProof, StateEntryProof
from ledger.quantities import Height
from ledger.records import BlobRecord
from ledger.state import StateView
from ledger.transactions import decode_transaction
from node.alarms import Alarms
from node.errors import TransactionUnknown
from node.mempool import Mempool
from node.runtime.blobs import LocalBlobs
from node.runtime.gossip import Gossip
from node.runtime.holding import Holding
from node.runtime.membership import Membership
from node.runtime.reading import ReadRights
from node.runtime.status import NodeStatus, ReadinessCheck, readiness
from node.runtime.watch import Watch
from node.storage.chain_store import ChainStore
from node.storage.incoming import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """Where a transaction was appended, and how it was judged."""

    log_index: int
    receipt: Receipt


class NodeApi:
    """One running node, for callers."""

    def __init__(
        self,
        *,
        member: Callable[[], Membership],
        chain: ChainStore,
        mempool: Mempool,
        gossip: Gossip,
        blobs: LocalBlobs,
        holding: Holding,
        watch: Watch,
        status: Callable[[], NodeStatus],
    ) -> None:
        self._member = member
        self.chain = chain
        self._mempool = mempool
        self._gossip = gossip
        self._blobs = blobs
        self._holding = holding
        self._watch = watch
        self.status = status
        """Returns where this node stands."""
        self._rights = ReadRights(chain, blobs.store)
        self._waiters: dict[Digest, set[asyncio.Future[None]]] = {}

    @property
    def member(self) -> Membership:
        """This node's place in the chain."""
        return self._member()

    # --- reads -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> StateView:
        """State after the head."""
        return self.chain.state

    @property
    def height(self) -> Height:
        """Height that answers reflect."""
        return Height(self.chain.head.header.height)

    @property
    def alarms(self) -> Alarms:
        """What this node's operator must know of."""
        return self._watch.alarms

    def on_refused(self, error: QuorateError) -> None:
        """Take note of a refusal that is not the caller's fault."""
        self._watch.on_refused(error)

    def readiness(self) -> list[ReadinessCheck]:
        """Return what must hold for callers to be sent here."""
        return readiness(self.status(), quorum=queries.validators(self.state).quorum)

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
        """Return where a transaction was appended; None if that takes longer, or if it expires.

        Raises TransactionUnknown.
        """
        final = self.final(identity)
        if final is not None:
            return final
        if not self.is_waiting(identity):
            raise TransactionUnknown(f"transaction {identity.hex()}", expected="a known one", got="never seen here")
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiters.setdefault(identity, set())
        waiting.add(ended)
        try:
            await asyncio.wait_for(ended, seconds)
        except TimeoutError:
            return None
        finally:
            waiting.discard(ended)
            if not waiting:
                self._waiters.pop(identity, None)
        return self.final(identity)

    def on_appended(self, _executed: ExecutedBlock) -> None:
        """Wake up whoever waits for a transaction that waits no more: it was appended, or has expired."""
        for identity, waiting in self._waiters.items():
            if not self.is_waiting(identity):
                for ended in waiting:
                    if not ended.done():
                        ended.set_result(None)

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
        self._rights.check(request)
        return self._blobs.store.open(request.blob), self._blobs.store.size(request.blob)
