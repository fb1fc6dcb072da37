"""A node's links as its parts use them: messages of consensus and of the duties, and blobs, each encoded once."""

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import BinaryIO

import structlog

from consensus.errors import ProtocolViolation
from consensus.messages import Message, Status
from consensus.ports import Send
from ledger.encoding import PROTOCOL_VERSION, encode
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId
from ledger.records import SeatRecord
from node.config import LinkSection
from node.home import Home
from node.keystore import read_private
from node.runtime.link_log import LinkLog
from node.runtime.membership import Membership
from node.runtime.parties import Linked
from node.runtime.snapshot_wire import ManifestAsked, decode_question
from node.runtime.wire import ConsensusFrame, Duty, DutyFrame, Frame, decode_frame, encode_frame
from node.storage.blob_store import BlobStore
from node.storage.snapshot_shelf import SnapshotShelf
from node.transport.errors import FrameTooLarge
from node.transport.events import LinkEvent, LinkEventKind
from node.transport.handshake import Endpoint
from node.transport.limits import LinkLimits
from node.transport.links import Links
from node.transport.sockets import listening_socket, parse_address
from node.transport.tls import LinkTls

log = structlog.get_logger()

FETCH_SECONDS_MIN = 30.0
FETCH_BYTES_PER_SECOND = 2**20
"""Slowest transfer of a blob that is waited for."""


OTHER_CREDENTIAL_SECONDS = 15.0
"""Without any peer for so long, a node with staged keys tries the other of its credentials: its rotation may have been
appended while it was away, and who has appended it takes the new certificate only."""


class Wires:
    """Links with every other validator and learner; `start` once, `close` once."""

    def __init__(  # noqa: PLR0913 - one argument a part of the node
        self,
        home: Home,
        member: Membership,
        seats: Iterable[SeatRecord],
        section: LinkSection,
        *,
        store: BlobStore,
        shelf: SnapshotShelf,
        on_message: Callable[[ValidatorId, Message], None],
        on_duty: Callable[[ValidatorId, Duty], None],
        on_violation: Callable[[ProtocolViolation], None],
    ) -> None:
        """Load the link credential and bind; raises ConfigurationError."""
        self._store = store
        self._shelf = shelf
        self._on_message = on_message
        self._on_duty = on_duty
        self._on_violation = on_violation
        self._on_lost: list[Callable[[ValidatorId], None]] = []
        self._link_log = LinkLog()
        self._home = home
        self._member = member
        self._linked = Linked(clock=time.monotonic)
        self._linked.update(seats)
        self._uses_staged = False
        self._alone_since = time.monotonic()
        self._tls = LinkTls(self._credential(), identity=self._identity(), parties=self._linked.parties)
        self._check_certificates()
        limits = LinkLimits(frame_bytes_max=section.frame_bytes_max, queue_bytes_max=section.queue_bytes_max)
        self.links = Links(
            Endpoint(tls=self._tls, greeting=encode((member.chain_id, PROTOCOL_VERSION)), limits=limits),
            listener=listening_socket(parse_address(section.listen)),
            peers=self._linked.peers(member.validator),
            on_frame=self._on_frame,
            serve_blob=self._serve_blob,
            serve_snapshot=self._serve_snapshot,
            on_event=self._on_link_event,
        )

    @property
    def connected(self) -> frozenset[ValidatorId]:
        """Peers that we can send to now."""
        return self.links.connected

    def update(self, member: Membership, seats: Iterable[SeatRecord]) -> None:
        """Link with those that the state names now, by its certificates and at its addresses."""
        self._member = member
        changed = self._linked.update(seats)
        self._uses_staged = False
        self._apply(anew=changed)

    def tick(self) -> None:
        """End what was left over of the last change, or try the other credential; called about once a second."""
        now = time.monotonic()
        if self.connected or not self._home.staged_credential.exists():
            self._alone_since = now
        elif now - self._alone_since >= OTHER_CREDENTIAL_SECONDS:
            self._alone_since = now
            self._uses_staged = not self._uses_staged
            log.warning("other-link-credential", staged=self._uses_staged)
            self._apply(anew=self._linked.addresses)
        if self._linked.expire():
            self._apply()

    def _apply(self, *, anew: Collection[ValidatorId] = ()) -> None:
        self._tls.use(self._credential(), identity=self._member.validator, parties=self._linked.parties)
        self._check_certificates()
        self.links.update(self._linked.peers(self._member.validator), anew=anew)

    def _credential(self) -> Path:
        if self._uses_staged:
            read_private(self._home.staged_credential)
            return self._home.staged_credential
        return self._home.private_link_credential()

    def _identity(self) -> ValidatorId | None:
        """Return the number that our certificate must be recorded for; none where we have left, or are not there."""
        number = self._member.validator
        return number if number in self._linked.addresses else None

    def _check_certificates(self) -> None:
        if self._tls.unusable:
            log.error("link-certificates-unusable", validators=self._tls.unusable)

    def on_lost(self, listener: Callable[[ValidatorId], None]) -> None:
        """Call `listener` when the connection to a peer breaks."""
        self._on_lost.append(listener)

    def start(self) -> None:
        """Listen, and dial every peer."""
        self.links.start()

    async def close(self) -> None:
        """Close every connection at once."""
        await self.links.close()

    def broadcast(self, message: Duty) -> None:
        """Send to every other validator; may be lost."""
        self._give(DutyFrame(message=message), to=None)

    def send(self, to: ValidatorId, message: Duty) -> None:
        """Send to one validator; may be lost."""
        self._give(DutyFrame(message=message), to=to)

    def carry(self, send: Send) -> None:
        """Send what consensus says; may be lost."""
        self._give(ConsensusFrame(message=send.message), to=send.to)

    def _give(self, frame: Frame, *, to: ValidatorId | None) -> None:
        """Queue a frame; one that no peer would take is lost, since a peer's question may have led to it."""
        data = encode_frame(frame)
        heartbeat = isinstance(frame.message, Status)  # what learners need to know, and all that they are told unasked
        try:
            if to is None:
                self.links.broadcast(data, to=None if heartbeat else self._linked.validators)
            else:
                self.links.send(to, data)
        except FrameTooLarge as error:
            kind = type(frame.message).__name__
            log.warning("message-too-large", message=kind, peer=to, code=error.code, error=str(error))

    async def fetch(self, peer: ValidatorId, digest: Digest, sink: Callable[[bytes], None], size: int) -> None:
        """Pass a peer's blob to `sink`; raises LinkError."""
        seconds = FETCH_SECONDS_MIN + size / FETCH_BYTES_PER_SECOND
        await self.links.fetch(peer, digest, sink, size=size, seconds=seconds)

    async def ask_snapshot(self, peer: ValidatorId, question: bytes, bytes_max: int, seconds: float) -> bytes | None:
        """Return a peer's answer about its snapshots, or none where it has none; raises LinkError."""
        return await self.links.ask_snapshot(peer, question, bytes_max=bytes_max, seconds=seconds)

    def _on_link_event(self, event: LinkEvent) -> None:
        self._link_log(event)
        if event.kind is LinkEventKind.LINK_DOWN and event.peer is not None:
            for listener in self._on_lost:
                listener(event.peer)

    def _on_frame(self, peer: ValidatorId, data: bytes) -> None:
        try:
            frame = decode_frame(data)
            if isinstance(frame, ConsensusFrame):
                self._on_message(peer, frame.message)
            else:
                self._on_duty(peer, frame.message)
        except InputError as error:
            self._on_violation(ProtocolViolation(peer, str(error)))

    def _serve_blob(self, peer: ValidatorId, digest: Digest) -> BinaryIO | None:
        """Open a blob for a validator: learners do not read updates."""
        if peer not in self._linked.validators:
            return None
        return self._store.open(digest) if self._store.has(digest) else None

    def _serve_snapshot(self, _peer: ValidatorId, data: bytes) -> BinaryIO | None:
        question = decode_question(data)
        if isinstance(question, ManifestAsked):
            return self._shelf.open_manifest()
        return self._shelf.open_range(Height(question.height), question.index)
