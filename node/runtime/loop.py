"""The one place that carries effects out, durable first: append, persist, sync, seal, send.

Everything that arrives in one turn of the event loop is given to the engine together, so that one sync and one
signature cover all votes that follow from it. Whatever goes wrong here other than by a peer's fault stops the node: a
vote that may or may not be on disk must not be followed by another.
"""

import asyncio
import math
import time
from collections.abc import Callable

from consensus.engine import Engine
from consensus.errors import ProtocolViolation
from consensus.messages import Message
from consensus.ports import Effects, Event, Moment, Send
from consensus.records import encode_record, needed_records
from ledger.quantities import TimeMs, ValidatorId
from node.runtime.application import ChainApplication
from node.storage.vote_log import VoteLog

VOTE_LOG_BYTES = 4 * 2**20
"""The vote log is cut once it is longer than this: a rewrite takes several syncs."""
INPUTS_MAX = 10_000
"""Messages that may wait for one turn; more are dropped, as a network would."""

LAG_SECONDS_MIN = 0.05
"""Time in which this process did not listen, from which on it is not held against the others."""


class ConsensusLoop:
    """Runs one engine on the event loop."""

    def __init__(
        self,
        *,
        engine: Engine,
        application: ChainApplication,
        vote_log: VoteLog,
        records: list[bytes],
        send: Callable[[Send], None],
        on_event: Callable[[Event], None],
        on_violation: Callable[[ProtocolViolation], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self.engine = engine
        self._application = application
        self._vote_log = vote_log
        self._records = records
        self._send = send
        self._on_event = on_event
        self._on_violation = on_violation
        self._on_fatal = on_fatal
        self._inputs: list[tuple[ValidatorId, Message]] = []
        self._turn_due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awake_at = math.inf
        """When the next turn begins at the latest, if the system lets this process run."""
        self._stopped = False

    def receive(self, sender: ValidatorId, message: Message) -> None:
        """Take a peer's message; it is processed in this turn of the event loop."""
        if len(self._inputs) < INPUTS_MAX:
            self._inputs.append((sender, message))
            self.poke()

    def poke(self) -> None:
        """Look for work that has come up: a transaction, a due action, a timer."""
        if self._turn_due is None and not self._stopped:
            self._turn_due = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        """Process nothing any more; what was sent was durable."""
        self._stopped = True
        for handle in (self._turn_due, self._timer):
            if handle is not None:
                handle.cancel()

    def _turn(self) -> None:
        self._turn_due = None
        began = time.monotonic()
        self._excuse(began - self._awake_at)
        inputs, self._inputs = self._inputs, []
        try:
            self._carry_out(self.engine.turn(inputs, _now(), refuse=self._on_violation))
            self._excuse(time.monotonic() - began)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the node must not vote on
            self.stop()
            self._on_fatal(error)

    def _excuse(self, seconds: float) -> None:
        """Leave out a time in which messages were waiting unread: what they say may be what the timers wait for."""
        if seconds >= LAG_SECONDS_MIN:
            self.engine.excuse(seconds)

    def _carry_out(self, effects: Effects) -> None:
        while True:
            if effects.append:
                self._application.append(effects.append)
            votes = self.engine.take_votes()
            records = [encode_record(record) for record in effects.persist]
            if votes is not None:
                records.append(encode_record(votes))
            if records:
                self._vote_log.append(records)
                self._vote_log.sync()
                self._records += records
            for send in effects.send:
                self._send(send)
            for event in effects.events:
                self._on_event(event)
            if votes is None:
                break
            effects = self.engine.seal(_now())
        self._cut_log()
        self._arm(effects.timer_at)

    def _cut_log(self) -> None:
        if self._vote_log.size > VOTE_LOG_BYTES:
            self._records = needed_records(self._records, head=self.engine.head.height)
            self._vote_log.rewrite(self._records)

    def _arm(self, when: float | None) -> None:
        """Wake up for the engine's next deadline, or when the chain's next action is due."""
        assert when is not None
        now = time.monotonic()
        delay = max(0.0, when - now)
        due = self._application.next_due_time()
        if due is not None:
            until_due = (due - _now().time) / 1000
            delay = min(delay, until_due) if until_due > 0 else delay
        if self._timer is not None:
            self._timer.cancel()
        self._awake_at = now + delay
        self._timer = asyncio.get_running_loop().call_later(delay, self.poke)


def _now() -> Moment:
    return Moment(elapsed=time.monotonic(), time=TimeMs(time.time_ns() // 1_000_000))
