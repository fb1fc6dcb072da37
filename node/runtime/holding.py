"""The duty to hold blobs: availability before ordering.

Whoever receives an upload computes its facts in the worker, signs a HOLD and announces the blob; every other validator
fetches it, computes the facts itself and answers with its own HOLD; a quorum of equal ones becomes a RecordBlob
transaction. A HOLD obliges to keep the blob, so it is signed only for what is durably here. Facts that differ between
validators are an alarm.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.blobs import BlobFacts, Hold, HoldSignature, SignedTicket, UpdateFacts, UploadTicket
from ledger.entries import Accepted, TransactionEntry
from ledger.errors import InputError, QuorateError, Undecidable
from ledger.hashing import Digest
from ledger.keys import Signature
from ledger.quantities import ValidatorId
from ledger.records import BlobRecord
from ledger.transactions import RecordBlob
from node.config import LimitsSection
from node.errors import NotAuthorised
from node.runtime.blobs import LocalBlobs
from node.runtime.ports import Outbox
from node.runtime.tasks import Tasks
from node.runtime.wire import Announce, Held

log = structlog.get_logger()

SUBMIT_AGAIN_TICKS = 5
"""Ticks (about a second each) after which a RecordBlob that was not appended is submitted again."""
FETCH_AGAIN_TICKS = 10
"""Ticks after which a recorded blob that no peer could send is asked for again."""


@dataclass(slots=True)
class Collecting:
    """A blob that was announced from here and is not recorded yet."""

    ticket: SignedTicket
    hold: Hold
    holds: dict[ValidatorId, Signature] = field(default_factory=dict)
    submitted_ticks: int | None = None
    """Ticks since RecordBlob was submitted."""
    differing: set[ValidatorId] = field(default_factory=set)
    """Validators that compute other facts."""


class Holding:
    """Collects HOLDs for what arrives here, and gives them for what arrives elsewhere."""

    def __init__(
        self,
        *,
        blobs: LocalBlobs,
        outbox: Outbox,
        tasks: Tasks,
        limits: LimitsSection,
        on_differ: Callable[[Digest, int], None],
    ) -> None:
        """`on_differ` hears of a blob whose facts so many validators compute differently."""
        self._blobs = blobs
        self._outbox = outbox
        self._tasks = tasks
        self._limits = limits
        self._on_differ = on_differ
        self._collecting: dict[Digest, Collecting] = {}
        self._answering: set[tuple[ValidatorId, Digest]] = set()
        self._missing: set[Digest] = set()
        """Recorded blobs that no peer could send when they were asked for."""
        self._ticks = 0
        self._waiters: dict[Digest, set[asyncio.Future[None]]] = {}

    def check_ticket(self, signed: SignedTicket) -> UploadTicket:
        """Return a ticket that may be used here now.

        Raises WrongChain, InvalidSignature, NotAuthorised for a key that is not on chain, InputError for a size or
        expiry out of bounds or for another size than the stored blob has, NotAuthorised when the author's quota is used
        up.
        """
        ticket = signed.verify(chain_id=self._outbox.member.chain_id)
        if not self._outbox.is_validator:
            raise NotAuthorised("node for uploads", expected="a validator of the current set", got="another")
        state, head = self._blobs.state, self._blobs.head
        parameters = queries.parameters(state)
        if queries.key_record(state, ticket.author) is None:
            raise NotAuthorised("author of the ticket", expected="a key on chain", got=ticket.author.hex())
        size_max = min(self._limits.blob_bytes_max, parameters.blob_bytes_max)
        if not 1 <= ticket.size <= size_max:
            raise InputError("size in the ticket", expected=f"1 to {size_max} bytes", got=ticket.size)
        furthest = head + parameters.upload_heights_max
        if not head < ticket.expires <= furthest:
            raise InputError("expiry of the ticket", expected=f"{head + 1} to {furthest}", got=ticket.expires)
        if not self._blobs.store.has(ticket.blob):
            self._check_quota(ticket)
        elif ticket.size != self._blobs.store.size(ticket.blob):
            raise InputError("size in the ticket", expected=self._blobs.store.size(ticket.blob), got=ticket.size)
        return ticket

    def _check_quota(self, ticket: UploadTicket) -> None:
        sizes = [*self._blobs.store.orphan_sizes(ticket.author), ticket.size]
        for used, most, unit in (
            (len(sizes), self._limits.author_uploads_max, "uploads"),
            (sum(sizes), self._limits.author_bytes_max, "bytes"),
        ):
            if used > most:
                raise NotAuthorised(
                    "unrecorded uploads of this author", expected=f"at most {most} {unit}", got=f"{used} {unit}"
                )

    async def offer(self, signed: SignedTicket) -> BlobFacts:
        """Examine a blob that is stored here and let a quorum hold it, until the latest ticket for it expires.

        Raises what the blob breaks; the blob is deleted then, unless it is recorded or came with another's ticket.
        """
        ticket = signed.ticket
        facts = await self._examine_or_delete(ticket)
        self._blobs.keep_until(ticket.blob, ticket.expires)
        if self.recorded(ticket.blob) is None:
            collecting = self._collecting.get(ticket.blob)
            if collecting is None:
                self._collect(signed, facts)
            elif collecting.ticket.ticket.expires < ticket.expires:
                collecting.ticket = signed
                self._outbox.broadcast(Announce(ticket=signed))
        return facts

    def _collect(self, signed: SignedTicket, facts: BlobFacts) -> None:
        ticket, member = signed.ticket, self._outbox.member
        hold = Hold(era=self._outbox.era, blob=ticket.blob, size=ticket.size, facts=facts)
        collecting = Collecting(ticket=signed, hold=hold)
        self._collecting[ticket.blob] = collecting
        assert member.validator is not None, "the ticket was checked"
        self._add(collecting, member.validator, hold.sign(member.service_key, chain_id=member.chain_id))
        self._outbox.broadcast(Announce(ticket=signed))

    def on_era(self) -> None:
        """Collect anew what is not recorded yet: a HOLD counts in its era only. Nothing, where this node has left."""
        collecting, self._collecting = self._collecting, {}
        if self._outbox.is_validator:
            for one in collecting.values():
                self._collect(one.ticket, one.hold.facts)

    def recorded(self, digest: Digest) -> BlobRecord | None:
        """Return what the state after the head records of a blob."""
        return queries.blob(self._blobs.state, digest)

    async def wait_recorded(self, digest: Digest, seconds: float) -> BlobRecord | None:
        """Return the record of a blob once there is one, or None after so many seconds."""
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiters.setdefault(digest, set())
        waiting.add(recorded)
        try:
            if self.recorded(digest) is None:
                await asyncio.wait_for(recorded, seconds)
        except TimeoutError:
            return None
        finally:
            waiting.discard(recorded)
            if not waiting:
                self._waiters.pop(digest, None)
        return self.recorded(digest)

    def on_announce(self, sender: ValidatorId, message: Announce) -> None:
        """Fetch, examine and answer with a HOLD, in the background."""
        job = (sender, message.ticket.ticket.blob)
        if job not in self._answering:
            self._answering.add(job)
            self._tasks.spawn(self._answer(sender, message.ticket), name="hold")

    def on_held(self, sender: ValidatorId, message: Held) -> None:
        """Count a peer's HOLD; raises InvalidSignature."""
        collecting = self._collecting.get(message.hold.blob)
        validator = self._outbox.validators.get(sender)
        if collecting is None or validator is None or message.signature.validator != sender:
            return
        message.hold.verify(validator.service_key, message.signature.signature, chain_id=self._outbox.member.chain_id)
        if message.hold.era != collecting.hold.era:
            return  # it has appended the end of an era a moment earlier or later, and is asked again
        if message.hold != collecting.hold:
            log.error("facts-differ", blob=message.hold.blob.hex(), peer=sender, theirs=str(message.hold.facts))
            collecting.differing.add(sender)
            self._on_differ(message.hold.blob, len(collecting.differing))
            return
        self._add(collecting, sender, message.signature.signature)

    def tick(self) -> None:
        """Announce again what is not recorded yet, and look again for what is missing; called about once a second."""
        self._ticks += 1
        if self._ticks % FETCH_AGAIN_TICKS == 0:
            for _ in range(len(self._missing)):
                self.keep(self._missing.pop())
        for digest, collecting in list(self._collecting.items()):
            if self.recorded(digest) is not None or collecting.ticket.ticket.expires <= self._blobs.head:
                del self._collecting[digest]
                continue
            if collecting.submitted_ticks is None:
                self._outbox.broadcast(Announce(ticket=collecting.ticket))
                continue
            collecting.submitted_ticks += 1
            if collecting.submitted_ticks >= SUBMIT_AGAIN_TICKS:
                self._submit(collecting)

    def on_appended(self, executed: ExecutedBlock) -> None:
        """Note which blobs were recorded; fetch those that are not here yet."""
        for entry in executed.entries:
            if not isinstance(entry, TransactionEntry) or not isinstance(entry.receipt.verdict, Accepted):
                continue
            body = entry.signed.transaction.body
            if isinstance(body, RecordBlob):
                self._collecting.pop(body.blob, None)
                self.keep(body.blob)
                for waiting in self._waiters.get(body.blob, ()):
                    if not waiting.done():
                        waiting.set_result(None)

    def keep(self, digest: Digest) -> None:
        """See to it that a recorded blob is kept here, and fetch it if it is not here."""
        if self._blobs.store.has(digest):
            self._blobs.set_recorded(digest)
        else:
            self._tasks.spawn(self._fetch_recorded(digest), name="fetch-recorded")

    def keep_if_missing(self, digest: Digest) -> None:
        """See to it as `keep` does, but write nothing where the blob is here and known to be recorded."""
        store = self._blobs.store
        if not (store.has(digest) and store.record(digest).recorded):
            self.keep(digest)

    async def _fetch_recorded(self, digest: Digest) -> None:
        try:
            await self._blobs.obtain(digest)
        except Undecidable:
            record = self.recorded(digest)
            # An update is forgotten some day, and a committee that needs it asks again by itself.
            if record is not None and not isinstance(record.facts, UpdateFacts):
                self._missing.add(digest)
            raise

    async def _answer(self, sender: ValidatorId, signed: SignedTicket) -> None:
        try:
            ticket = self.check_ticket(signed)
            if not self._blobs.store.has(ticket.blob):
                await self._blobs.fetch(
                    ticket.blob, ticket.size, author=ticket.author, expires=ticket.expires, first=sender
                )
            else:
                self._blobs.keep_until(ticket.blob, ticket.expires)
            facts = await self._examine_or_delete(ticket)
            hold = Hold(era=self._outbox.era, blob=ticket.blob, size=ticket.size, facts=facts)
            signature = hold.sign(self._outbox.member.service_key, chain_id=self._outbox.member.chain_id)
            validator = self._outbox.member.validator
            assert validator is not None, "the ticket was checked"
            own = HoldSignature(validator=validator, signature=signature)
            self._outbox.send(sender, Held(hold=hold, signature=own))
        finally:
            self._answering.discard((sender, signed.ticket.blob))

    async def _examine_or_delete(self, ticket: UploadTicket) -> BlobFacts:
        store, digest = self._blobs.store, ticket.blob
        try:
            return await self._blobs.examine(digest, ticket.layout)
        except InputError:
            if store.has(digest) and store.record(digest).author == ticket.author and self.recorded(digest) is None:
                store.delete(digest)
            raise

    def _add(self, collecting: Collecting, validator: ValidatorId, signature: Signature) -> None:
        collecting.holds[validator] = signature
        if collecting.submitted_ticks is None and len(collecting.holds) >= self._outbox.validators.quorum:
            self._submit(collecting)

    def _submit(self, collecting: Collecting) -> None:
        collecting.submitted_ticks = 0
        signers = sorted(collecting.holds)[: self._outbox.validators.quorum]
        holds = tuple(HoldSignature(validator=who, signature=collecting.holds[who]) for who in signers)
        hold = collecting.hold
        try:
            self._outbox.submit(RecordBlob(blob=hold.blob, size=hold.size, facts=hold.facts, holds=holds))
        except QuorateError as error:
            log.warning("record-not-submitted", blob=hold.blob.hex(), error=str(error))
