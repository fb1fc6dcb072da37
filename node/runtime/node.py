"""One validator put together: what is durable is opened first, then the engine, then the duties, then the links."""

import asyncio
import time
from collections.abc import Callable
from typing import BinaryIO

import structlog

from consensus.engine import Engine
from consensus.errors import ProtocolViolation
from consensus.messages import Choice
from consensus.new_view import EraContext
from consensus.ports import Event, Head, Send, Timing
from consensus.records import decode_record
from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.encoding import PROTOCOL_VERSION, encode
from ledger.entries import ActionEntry, RoundDecided, RoundVoided
from ledger.errors import InputError, QuorateError
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.quantities import Era, Height, RoundNumber, ValidatorId
from ledger.transactions import Body
from ledger.validators import ValidatorSet
from node.config import Configuration, TimingSection
from node.home import Home
from node.keystore import KeyPurpose
from node.mempool import Mempool
from node.runtime.api import NodeApi
from node.runtime.application import ChainApplication
from node.runtime.blobs import LocalBlobs
from node.runtime.committee import CommitteeDuty
from node.runtime.gossip import Gossip
from node.runtime.holding import Holding
from node.runtime.loop import ConsensusLoop
from node.runtime.tasks import Tasks
from node.runtime.wire import (
    Announce,
    ConsensusFrame,
    Duty,
    DutyFrame,
    Held,
    Transactions,
    decode_frame,
    encode_frame,
)
from node.runtime.workers import Worker
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.storage.errors import VoteLogMissing
from node.storage.leveldb import LevelDb
from node.storage.vote_log import VoteLog
from node.transport.events import LinkEvent, LinkEventKind
from node.transport.handshake import Endpoint
from node.transport.limits import LinkLimits
from node.transport.links import Links
from node.transport.sockets import listening_socket, parse_address
from node.transport.tls import LinkTls

log = structlog.get_logger()

TICK_SECONDS = 1.0
EXPIRE_TICKS = 30
"""Ticks between two looks for uploads that were not recorded in time."""
FETCH_SECONDS_MIN = 30.0
FETCH_BYTES_PER_SECOND = 2**20
"""Slowest transfer of a blob that is waited for."""
STRANGER_LOG_SECONDS = 1.0
QUIET_LINK_EVENTS = {LinkEventKind.BLOB_SENT, LinkEventKind.INCOMING_UP, LinkEventKind.INCOMING_DOWN}
EXIT_FATAL = 70
"""The node stopped because it could not go on safely."""


class Node:
    """A running validator; `start` once, `stop` once."""

    def __init__(self, home: Home, configuration: Configuration) -> None:
        """Open everything durable and check it; raises ConfigurationError, InputError, VerificationFailed."""
        genesis = home.load_genesis()
        self.member = home.membership(genesis)
        self._configuration = configuration
        home.data.mkdir(mode=0o700, exist_ok=True)
        scratch = home.data / "scratch"
        scratch.mkdir(mode=0o700, exist_ok=True)
        self._chain_db = LevelDb(home.data / "chain")
        self.chain = ChainStore(self._chain_db, genesis)
        self._check_head(genesis)
        self._blob_db = LevelDb(home.data / "blobs.index")
        store = BlobStore(home.data / "blobs", self._blob_db, quota_bytes=configuration.limits.storage_bytes_max)
        for digest in store.lost:
            log.error("blob-lost", blob=digest.hex())
        self._vote_log, records = _open_vote_log(home, genesis, self.chain)

        self.ending = asyncio.Event()
        """Set when the node cannot go on; `exit_code` says why."""
        self.exit_code = 0
        self.is_stopped = False
        self._tasks = Tasks()
        self._on_event: list[Callable[[Event], None]] = []
        self._on_violation: list[Callable[[ProtocolViolation], None]] = []
        self._tls = LinkTls(home.link_credential, identity=self.member.validator, validators=self.validators)
        if self._tls.unusable:
            log.error("link-certificates-unusable", validators=self._tls.unusable)
        self._links = self._make_links(genesis)
        self.mempool = Mempool(configuration.limits)
        self.application = ChainApplication(self.chain, self.mempool, genesis.chain_id)
        self.loop = self._make_loop(home, records)
        self._worker = Worker(seconds_max=float(configuration.limits.worker_seconds_max))
        self._gossip = Gossip(
            application=self.application, mempool=self.mempool, broadcast=self.broadcast, poke=self.loop.poke
        )
        self._blobs = LocalBlobs(
            store=store,
            chain=self.chain,
            worker=self._worker,
            fetch=self._fetch,
            peers=lambda: sorted(self._links.connected),
            author=self.member.service_key.public,
            scratch=scratch,
        )
        self._holding = Holding(blobs=self._blobs, outbox=self, tasks=self._tasks, limits=configuration.limits)
        self._committee = CommitteeDuty(blobs=self._blobs, holding=self._holding, outbox=self, tasks=self._tasks)
        self.api = NodeApi(
            member=self.member,
            chain=self.chain,
            mempool=self.mempool,
            gossip=self._gossip,
            blobs=self._blobs,
            holding=self._holding,
            loop=self.loop,
            connected=lambda: self._links.connected,
        )
        for listener in (self._holding.on_appended, self.api.on_appended, self._forget_rounds):
            self.application.on_appended(listener)

    # --- the node as its duties see it -------------------------------------------------------------------------------

    @property
    def validators(self) -> ValidatorSet:
        """Validators of the current era."""
        return queries.validators(self.chain.state)

    @property
    def era(self) -> Era:
        """Current era."""
        return queries.era(self.chain.state)[0]

    def broadcast(self, message: Duty) -> None:
        """Send to every other validator."""
        self._links.broadcast(encode_frame(DutyFrame(message=message)))

    def send(self, to: ValidatorId, message: Duty) -> None:
        """Send to one validator."""
        self._links.send(to, encode_frame(DutyFrame(message=message)))

    def submit(self, body: Body) -> None:
        """Sign a transaction with the service key and let it be ordered; raises MempoolFull."""
        signed = self.member.transaction(body, head=Height(self.chain.head.header.height))
        self._gossip.submit(encode(signed))

    # --- life --------------------------------------------------------------------------------------------------------

    def on_event(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with what consensus reports."""
        self._on_event.append(listener)

    def on_violation(self, listener: Callable[[ProtocolViolation], None]) -> None:
        """Call `listener` when a peer breaks the protocol."""
        self._on_violation.append(listener)

    def start(self) -> None:
        """Link up with the peers and take part."""
        header = self.chain.head.header
        log.info(
            "started",
            validator=self.member.validator,
            organisation=self.member.organisation,
            chain=self.member.genesis.document.chain,
            height=header.height,
            view=self.loop.engine.view,
        )
        self._links.start()
        self.loop.poke()
        self._tasks.spawn(self._tick(), name="tick")

    async def stop(self) -> None:
        """Take no more part; everything that was sent is durable."""
        self.is_stopped = True
        self.loop.stop()
        await self._tasks.close()
        await self._links.close()
        await self._worker.close()
        self._vote_log.close()
        self._blob_db.close()
        self._chain_db.close()
        log.info("stopped", height=self.chain.head.header.height)

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            self._gossip.tick()
            self._holding.tick()
            self._committee.look()
            if ticks % EXPIRE_TICKS == 0:
                self._blobs.expire()

    def _fatal(self, error: BaseException) -> None:
        code = error.code if isinstance(error, QuorateError) else "internal-error"
        hint = error.hint if isinstance(error, QuorateError) else ""
        log.error("cannot-go-on", code=code, error=str(error), hint=hint, exc_info=error)
        self.exit_code = EXIT_FATAL
        self.ending.set()

    # --- parts -------------------------------------------------------------------------------------------------------

    def _check_head(self, genesis: Genesis) -> None:
        head = self.chain.head
        if head.certificate is not None:
            head.certificate.verify_for(head.header, self.validators, chain_id=genesis.chain_id)

    def _make_links(self, genesis: Genesis) -> Links:
        section = self._configuration.link
        greeting = encode((genesis.chain_id, PROTOCOL_VERSION))
        limits = LinkLimits(frame_bytes_max=section.frame_bytes_max, queue_bytes_max=section.queue_bytes_max)
        addresses = {
            validator: parse_address(descriptor.link_address)
            for validator, descriptor in genesis.descriptors.items()
            if validator != self.member.validator
        }
        return Links(
            Endpoint(tls=self._tls, greeting=greeting, limits=limits),
            listener=listening_socket(parse_address(section.listen)),
            peers=addresses,
            on_frame=self._on_frame,
            serve_blob=self._serve_blob,
            on_event=_LinkLog(),
        )

    def _make_loop(self, home: Home, records: list[bytes]) -> ConsensusLoop:
        parameters = queries.parameters(self.chain.state)
        era, first = queries.era(self.chain.state)
        before = self.chain.header(Height(first - 1))
        assert before is not None
        context = EraContext(
            chain_id=self.member.chain_id,
            era=era,
            validators=self.validators,
            root=Choice(height=Height(before.height), digest=before.digest),
            window=parameters.window,
        )
        head = self.chain.head
        engine = Engine(
            context=context,
            validator=self.member.validator,
            key=home.load_key(KeyPurpose.VOTE),
            head=Head(header=head.header, certificate=head.certificate),
            application=self.application,
            timing=_timing(self._configuration.timing),
            drift_ms=parameters.clock_drift_ms,
            records=[decode_record(data) for data in records],
        )
        return ConsensusLoop(
            engine=engine,
            application=self.application,
            vote_log=self._vote_log,
            records=records,
            send=self._send_consensus,
            on_event=self._report,
            on_violation=self._violation,
            on_fatal=self._fatal,
        )

    def _send_consensus(self, send: Send) -> None:
        data = encode_frame(ConsensusFrame(message=send.message))
        if send.to is None:
            self._links.broadcast(data)
        else:
            self._links.send(send.to, data)

    def _on_frame(self, peer: ValidatorId, data: bytes) -> None:
        try:
            frame = decode_frame(data)
            if isinstance(frame, ConsensusFrame):
                self.loop.receive(peer, frame.message)
            else:
                self._on_duty(peer, frame.message)
        except InputError as error:
            self._violation(ProtocolViolation(peer, str(error)))

    def _on_duty(self, peer: ValidatorId, message: Duty) -> None:
        match message:
            case Transactions():
                self._gossip.on_transactions(peer, message)
            case Announce():
                self._holding.on_announce(peer, message)
            case Held():
                self._holding.on_held(peer, message)

    def _serve_blob(self, _peer: ValidatorId, digest: Digest) -> BinaryIO | None:
        return self._blobs.store.open(digest) if self._blobs.store.has(digest) else None

    async def _fetch(self, peer: ValidatorId, digest: Digest, sink: Callable[[bytes], None], size: int) -> None:
        seconds = FETCH_SECONDS_MIN + size / FETCH_BYTES_PER_SECOND
        await self._links.fetch(peer, digest, sink, size=size, seconds=seconds)

    def _report(self, event: Event) -> None:
        log.info(event.name, height=event.height, view=event.view, detail=event.detail)
        for listener in self._on_event:
            listener(event)

    def _violation(self, error: ProtocolViolation) -> None:
        log.warning("protocol-violation", peer=error.sender, error=str(error))
        for listener in self._on_violation:
            listener(error)

    def _forget_rounds(self, executed: ExecutedBlock) -> None:
        """Delete updates that no longer have to be kept, and see whether a round is to be aggregated."""
        for entry in executed.entries:
            if isinstance(entry, ActionEntry) and isinstance(entry.action, RoundDecided | RoundVoided):
                task = queries.task(self.chain.state, entry.action.task)
                assert task is not None
                old = entry.action.round - task.spec.retain_rounds
                if old >= 1:
                    self._blobs.forget_round(entry.action.task, RoundNumber(old))
        self._committee.look()


def _open_vote_log(home: Home, genesis: Genesis, chain: ChainStore) -> tuple[VoteLog, list[bytes]]:
    """Open the vote log, or make the first one of a new vote key; a missing one means that the key is lost."""
    if not home.vote_log.exists():
        if home.vote_key_used.exists() or chain.head.header.height > 0:
            raise VoteLogMissing(f"vote log {home.vote_log}", expected="the log of a key that has voted", got="none")
        VoteLog.create(home.vote_log, chain_id=genesis.chain_id).close()
    vote_log, recovered = VoteLog.open(home.vote_log, chain_id=genesis.chain_id)
    if recovered.torn_bytes:
        log.warning("vote-log-cut", torn_bytes=recovered.torn_bytes)
    home.vote_key_used.touch(mode=0o600)
    return vote_log, list(recovered.records)


def _timing(section: TimingSection) -> Timing:
    return Timing(
        view=section.view_ms / 1000,
        resend=section.resend_ms / 1000,
        status=section.status_ms / 1000,
        fetch=section.fetch_ms / 1000,
    )


class _LinkLog:
    """Writes down what links report; of strangers at most one line a second, since they come as fast as they like."""

    def __init__(self) -> None:
        self._refused_at = -STRANGER_LOG_SECONDS
        self._refused = 0

    def __call__(self, event: LinkEvent) -> None:
        error = None if event.error is None else str(event.error)
        if event.kind is LinkEventKind.INCOMING_REFUSED:
            self._refused += 1
            if time.monotonic() - self._refused_at < STRANGER_LOG_SECONDS:
                return
            log.info(event.kind.value, address=event.address, error=error, count=self._refused)
            self._refused_at, self._refused = time.monotonic(), 0
            return
        write = log.debug if event.kind in QUIET_LINK_EVENTS else log.info
        write(event.kind.value, peer=event.peer, address=event.address, error=error)
