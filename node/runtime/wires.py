"""A node's links as its parts use them: messages of consensus and of the duties, and blobs, each encoded once."""

from collections.abc import Callable
from typing import BinaryIO

import structlog

from consensus.errors import ProtocolViolation
from consensus.messages import Message
from consensus.ports import Send
from ledger.encoding import PROTOCOL_VERSION, encode
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.quantities import ValidatorId
from ledger.validators import ValidatorSet
from node.config import LinkSection
from node.home import Home
from node.runtime.link_log import LinkLog
from node.runtime.membership import Membership
from node.runtime.wire import ConsensusFrame, Duty, DutyFrame, Frame, decode_frame, encode_frame
from node.storage.blob_store import BlobStore
from node.transport.errors import FrameTooLarge
from node.transport.handshake import Endpoint
from node.transport.limits import LinkLimits
from node.transport.links import Links
from node.transport.sockets import listening_socket, parse_address
from node.transport.tls import LinkTls

log = structlog.get_logger()

FETCH_SECONDS_MIN = 30.0
FETCH_BYTES_PER_SECOND = 2**20
"""Slowest transfer of a blob that is waited for."""


class Wires:
    """Links with every other validator of the era; `start` once, `close` once."""

    def __init__(
        self,
        home: Home,
        member: Membership,
        validators: ValidatorSet,
        section: LinkSection,
        *,
        store: BlobStore,
        on_message: Callable[[ValidatorId, Message], None],
        on_duty: Callable[[ValidatorId, Duty], None],
        on_violation: Callable[[ProtocolViolation], None],
    ) -> None:
        """Load the link credential and bind; raises ConfigurationError."""
        self._store = store
        self._on_message = on_message
        self._on_duty = on_duty
        self._on_violation = on_violation
        tls = LinkTls(home.private_link_credential(), identity=member.validator, validators=validators)
        if tls.unusable:
            log.error("link-certificates-unusable", validators=tls.unusable)
        limits = LinkLimits(frame_bytes_max=section.frame_bytes_max, queue_bytes_max=section.queue_bytes_max)
        addresses = {
            validator: parse_address(descriptor.link_address)
            for validator, descriptor in member.genesis.descriptors.items()
            if validator != member.validator
        }
        self.links = Links(
            Endpoint(tls=tls, greeting=encode((member.chain_id, PROTOCOL_VERSION)), limits=limits),
            listener=listening_socket(parse_address(section.listen)),
            peers=addresses,
            on_frame=self._on_frame,
            serve_blob=self._serve_blob,
            on_event=LinkLog(),
        )

    @property
    def connected(self) -> frozenset[ValidatorId]:
        """Peers that we can send to now."""
        return self.links.connected

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
        try:
            if to is None:
                self.links.broadcast(data)
            else:
                self.links.send(to, data)
        except FrameTooLarge as error:
            kind = type(frame.message).__name__
            log.warning("message-too-large", message=kind, peer=to, code=error.code, error=str(error))

    async def fetch(self, peer: ValidatorId, digest: Digest, sink: Callable[[bytes], None], size: int) -> None:
        """Pass a peer's blob to `sink`; raises LinkError."""
        seconds = FETCH_SECONDS_MIN + size / FETCH_BYTES_PER_SECOND
        await self.links.fetch(peer, digest, sink, size=size, seconds=seconds)

    def _on_frame(self, peer: ValidatorId, data: bytes) -> None:
        try:
            frame = decode_frame(data)
            if isinstance(frame, ConsensusFrame):
                self._on_message(peer, frame.message)
            else:
                self._on_duty(peer, frame.message)
        except InputError as error:
            self._on_violation(ProtocolViolation(peer, str(error)))

    def _serve_blob(self, _peer: ValidatorId, digest: Digest) -> BinaryIO | None:
        return self._store.open(digest) if self._store.has(digest) else None
