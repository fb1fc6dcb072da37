"""The link to one peer: dialled for ever, and sending what its queue holds, one write a turn of the loop."""

import asyncio

from ledger.quantities import ValidatorId
from node.transport.backoff import Backoff, Jitter
from node.transport.connection import Connection
from node.transport.errors import FrameTooLarge, LinkError, LinkFailed, ProtocolBroken
from node.transport.events import LinkEvent, LinkEventKind, OnEvent, Traffic
from node.transport.frames import join_frames
from node.transport.handshake import Endpoint, LinkPurpose, dial
from node.transport.send_queue import SendQueue
from node.transport.sockets import Address, format_address


class OutgoingLink:
    """What we send to one peer."""

    connected = False
    """Whether the peer has answered our hello and the connection still stands."""

    def __init__(
        self,
        endpoint: Endpoint,
        peer: ValidatorId,
        address: Address,
        *,
        traffic: Traffic,
        on_event: OnEvent,
        jitter: Jitter,
    ) -> None:
        self._endpoint = endpoint
        self._limits = endpoint.limits
        self._peer = peer
        self._address = address
        self._traffic = traffic
        self._on_event = on_event
        self._backoff = Backoff(
            seconds_min=self._limits.retry_seconds_min, seconds_max=self._limits.retry_seconds_max, jitter=jitter
        )
        self._queue = SendQueue(frames_max=self._limits.queue_frames_max, bytes_max=self._limits.queue_bytes_max)
        self._filled = asyncio.Event()
        self._overflowed = False

    def send(self, payload: bytes) -> None:
        """Queue a frame; raises FrameTooLarge."""
        if len(payload) > self._limits.frame_bytes_max:
            raise FrameTooLarge(
                "frame to send", expected=f"at most {self._limits.frame_bytes_max} bytes", got=f"{len(payload)} bytes"
            )
        dropped = self._queue.put(payload)
        self._filled.set()
        self._traffic.frames_dropped += dropped
        if dropped and not self._overflowed:
            self._overflowed = True
            self._report(LinkEventKind.FRAMES_DROPPED)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        loop = asyncio.get_running_loop()
        failure = ""
        while True:
            try:
                connection = await dial(self._endpoint, self._peer, self._address, LinkPurpose.MESSAGES)
            except LinkError as error:
                if str(error) != failure:
                    self._report(LinkEventKind.DIAL_FAILED, error)
                failure = str(error)
            else:
                failure = ""
                up_since = loop.time()
                await self._use(connection)
                self._backoff.lasted(loop.time() - up_since)
            await asyncio.sleep(self._backoff.wait())

    async def _use(self, connection: Connection) -> None:
        """Send until the connection breaks."""
        self.connected = True
        self._report(LinkEventKind.LINK_UP)
        # Not a TaskGroup: it forgets that it was cancelled where a connection breaks in the same moment.
        both = [asyncio.create_task(self._watch(connection)), asyncio.create_task(self._flush(connection))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connected = False
            connection.abort()
            for task in both:
                task.cancel()
            outcomes = await asyncio.gather(*both, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, LinkError):
                raise outcome
        error = next(outcome for outcome in outcomes if isinstance(outcome, LinkError))
        self._report(LinkEventKind.LINK_DOWN, error)

    async def _watch(self, connection: Connection) -> None:
        """Notice the end of a connection on which nothing may arrive."""
        if await connection.read(1):
            raise ProtocolBroken(str(connection), expected="nothing on a link that we dialled", got="bytes")
        raise LinkFailed(str(connection), expected="open", got="closed by the peer")

    async def _flush(self, connection: Connection) -> None:
        """Write what the queue holds: all frames of a turn at once, and no more than the connection takes."""
        while True:
            await self._filled.wait()
            while frames := self._queue.take(self._limits.write_bytes_max):
                self._traffic.writes += 1
                self._traffic.frames_sent += len(frames)
                self._traffic.bytes_sent += sum(map(len, frames))
                await connection.write(join_frames(frames))
            self._filled.clear()
            self._overflowed = False

    def _report(self, kind: LinkEventKind, error: LinkError | None = None) -> None:
        self._on_event(LinkEvent(kind=kind, peer=self._peer, address=format_address(self._address), error=error))
