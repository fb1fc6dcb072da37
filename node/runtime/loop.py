"""The one place that carries effects out, durable first: append, persist, sync, seal, send.

Everything that arrives in one turn of the event loop is given to the engine together, so that one sync and one
signature cover all votes that follow from it. Whatever goes wrong here other than by a peer's fault stops the node: a
vote that may or may not be on disk must not be followed by another.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable

import structlog

from consensus.engine import Engine
from consensus.errors import ProtocolViolation
from consensus.learner import Learner
from consensus.messages import Message
from consensus.ports import Effects, Event, Moment, Send
from consensus.records import encode_record, needed_records, records_since
from ledger.evidence import ProvenOffence
from ledger.quantities import Era, Height, TimeMs, ValidatorId
from ledger.votes import Vote
from node.runtime.application import ChainApplication
from node.runtime.opening import Durable
from node.storage.errors import VoteLogMissing

log = structlog.get_logger()

VOTE_LOG_BYTES = 4 * 2**20
"""The vote log is cut once it is longer than this: a rewrite takes several syncs."""
INPUTS_MAX = 2_000
"""Messages of one peer that may wait for one turn; more are dropped, as a network would, and cost only that peer."""

LAG_SECONDS_MIN = 0.05
"""Time in which this process did not listen, from which on it is not held against the others."""


class ConsensusLoop:
    """Runs the engine of one era after the other on the event loop."""

    def __init__(
        self,
        *,
        begin_era: Callable[[], Engine | Learner],
        application: ChainApplication,
        durable: Durable,
        send: Callable[[Send], None],
        on_event: Callable[[Event], None],
        on_evidence: Callable[[ProvenOffence], None],
        on_violation: Callable[[ProtocolViolation], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self.engine = begin_era()
        self._begin_era = begin_era
        self._application = application
        self._durable = durable
        self._send = send
        self._on_event = on_event
        self._on_evidence = on_evidence
        self._on_violation = on_violation
        self._on_fatal = on_fatal
        self._inputs: list[tuple[ValidatorId, Message]] = []
        self._waiting: Counter[ValidatorId] = Counter()
        """Inputs of each peer."""
        self._turn_due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awake_at = math.inf
        """When the next turn begins at the latest, if the system lets this process run."""
        self._stopped = False

    def receive(self, sender: ValidatorId, message: Message) -> None:
        """Take a peer's message; it is processed in this turn of the event loop."""
        if self._waiting[sender] < INPUTS_MAX:
            self._waiting[sender] += 1
            self._inputs.append((sender, message))
            self.poke()

    def lost(self, peer: ValidatorId) -> None:
        """Take a hint: the connection to a peer broke."""
        self.engine.lost(peer, _now())
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
        self._waiting.clear()
        try:
            self._carry_out(self.engine.turn(inputs, _now(), refuse=self._on_violation))
            if self.engine.has_ended:
                self._hand_over()
            self._excuse(time.monotonic() - began)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the node must not vote on
            self.stop()
            self._on_fatal(error)

    def _excuse(self, seconds: float) -> None:
        """Leave out a time in which messages were waiting unread: what they say may be what the timers wait for."""
        if seconds >= LAG_SECONDS_MIN:
            self.engine.excuse(seconds)

    def _hand_over(self) -> None:
        """Go on in the next era, with what has come early for it; votes of the past one need not be kept."""
        later = self.engine.later
        self.engine = self._begin_era()
        if self._durable.vote_log is not None:
            self._durable.records = records_since(
                self._durable.records, Era(self.engine.era), root=Height(self.engine.head.height)
            )
            self._durable.vote_log.rewrite(self._durable.records)
        self._inputs = [*later, *self._inputs]
        self.poke()

    def _carry_out(self, effects: Effects) -> None:
        while True:
            if effects.append:
                self._application.append(effects.append)
            if self.engine.forgotten is not None:
                self._end_vote(self.engine.forgotten)
                return
            votes = self.engine.take_votes()
            records = [encode_record(record) for record in effects.persist]
            if votes is not None:
                records.append(encode_record(votes))
            if records:
                vote_log = self._durable.vote_log
                assert vote_log is not None, "only an engine has records, and it has a vote log"
                vote_log.append(records)
                vote_log.sync()
                self._durable.records += records
            for send in effects.send:
                self._send(send)
            for event in effects.events:
                self._on_event(event)
            for proven in effects.evidence:
                self._on_evidence(proven)
            if votes is None:
                break
            effects = self.engine.seal(_now())
        self._cut_log()
        self._arm(effects.timer_at)

    def _end_vote(self, forgotten: Vote) -> None:
        """Go on without a vote: what this key has signed is not all in the vote log, so nothing more may leave."""
        log.error(
            "vote-log-incomplete",
            kind=forgotten.kind.name,
            height=forgotten.height,
            view=forgotten.view,
            hint=VoteLogMissing.hint,
        )
        self._durable.disown_vote_log()
        self.engine = self._begin_era()
        self.poke()

    def _cut_log(self) -> None:
        durable = self._durable
        if durable.vote_log is not None and durable.vote_log.size > VOTE_LOG_BYTES:
            durable.records = needed_records(durable.records, head=self.engine.head.height)
            durable.vote_log.rewrite(durable.records)

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
