"""Everything the engine asks of the world, and everything it tells it: one place, one comment a member.

The application is called synchronously and must be deterministic; all else leaves as `Effects`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from consensus.messages import Message
from consensus.records import Record
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.evidence import ProvenOffence
from ledger.hashing import Digest
from ledger.quantities import Height, TimeMs, ValidatorId, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The two clocks that a replica has."""

    elapsed: float
    """Seconds on a clock that never jumps: for timers."""
    time: TimeMs
    """Milliseconds since 1970: for block times only."""


class Application(Protocol):
    """What is ordered; named after ABCI 2.0."""

    def has_work(self, parent: Digest, time: TimeMs) -> bool:
        """Return whether a block on `parent` is worth proposing now; on the head, any transaction or due action is."""
        ...

    def prepare_proposal(self, parent: Digest, *, time: TimeMs, proposer: ValidatorId) -> Block:
        """Build and execute a block on `parent`, an appended or processed block; keep the result by digest."""
        ...

    def process_proposal(self, block: Block) -> None:
        """Execute a block on its parent and keep the result by digest; raises InvalidBlock."""
        ...

    def oldest_pending(self, time: TimeMs) -> bytes | None:
        """Name the item that has waited longest to be decided (transaction or due action), if there is one."""
        ...

    def block_at(self, height: Height) -> CertifiedBlock | None:
        """Return an appended block, with its own certificate if it has one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message for one peer, or for all."""

    message: Message
    to: ValidatorId | None = None
    """None: every other validator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something worth one log line."""

    name: str
    """Such as `view-entered`."""
    height: Height
    view: View
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Effects:
    """What is to be done, in this order: append, persist, sync, `Engine.seal`, send.

    Blocks of `append` go into the store in one synced batch and must be durable before any vote that leaves later;
    records of `persist` must be durable before `Engine.seal` is called and before anything of `send` leaves.
    """

    append: list[CertifiedBlock] = field(default_factory=list)
    """Final blocks in ascending order; the last one has a certificate."""
    persist: list[Record] = field(default_factory=list)
    """For the vote log."""
    seal: bool = False
    """Votes were admitted: call `Engine.seal` once `persist` is durable."""
    send: list[Send] = field(default_factory=list)
    """Messages, in order."""
    evidence: list[ProvenOffence] = field(default_factory=list)
    """Offences found or heard of, each once, for whoever puts them on chain."""
    events: list[Event] = field(default_factory=list)
    """For the log."""
    timer_at: float | None = None
    """When `Engine.tick` wants to be called, on the clock of `Moment.elapsed`."""

    def merge(self, later: "Effects") -> None:
        """Append the effects of a later step of the same loop turn."""
        self.append += later.append
        self.persist += later.persist
        self.seal = self.seal or later.seal
        self.send += later.send
        self.evidence += later.evidence
        self.events += later.events
        self.timer_at = later.timer_at


ALL_BLOCKS = Height(0)
"""Base of a replica that has every block since genesis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last appended block."""

    header: BlockHeader
    certificate: CommitCertificate | None
    """Its own; none at genesis. At the root of an era it is of the era before."""
    base: Height = ALL_BLOCKS
    """Height up to which there are no blocks here, this replica having joined from a snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Local timeouts in seconds; they touch liveness, never safety."""

    view: float = 0.5
    """How long the oldest pending item may wait before the primary is given up; `pace` makes it longer."""
    view_max: float = 60.0
    """Bound on that after doublings."""
    resend: float = 0.4
    """How often unanswered messages are sent again."""
    status: float = 1.0
    """How often the heartbeat goes out."""
    fetch: float = 0.5
    """How long an asked peer has before another one is asked."""
