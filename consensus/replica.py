"""What the parts of the engine share: one replica's view of the era, without any rule of its own."""

from collections import deque
from dataclasses import dataclass, field

from consensus.bodies import Bodies
from consensus.messages import Choice, Message, NewView, Status, ViewChange
from consensus.new_view import EraContext
from consensus.pace import Pace
from consensus.ports import ALL_BLOCKS, Application, Effects, Event, Timing
from consensus.safety_rules import SafetyRules
from consensus.tally import Tally
from consensus.witness import Witness
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.evidence import EraMembers
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle

FIRST_VIEW = View(0)
"""Entered without a NEW-VIEW in every era."""


def ends_era(header: BlockHeader) -> bool:
    """Return whether the next block is another validator set's: nobody votes for a child before appending this one."""
    return header.next_validators != header.validators


@dataclass(slots=True, kw_only=True)
class Timers:
    """Deadlines on the clock that never jumps; None: not armed."""

    deadlines: dict[bytes, float] = field(default_factory=dict)
    """When the primary is given up unless it has decided a pending item, for those that were the oldest one lately."""
    view_at: float | None = None
    """Deadline of the oldest pending item."""
    new_view_at: float | None = None
    """When a view that a quorum wants, but nobody starts, is given up."""
    resend_at: float = 0.0
    status_at: float = 0.0
    heard: dict[ValidatorId, float] = field(default_factory=dict)
    """When something arrived from a peer for the last time."""
    lost: dict[ValidatorId, float] = field(default_factory=dict)
    """When the connection to a peer broke that was not heard since."""
    complaints: dict[ValidatorId, tuple[View, float]] = field(default_factory=dict)
    """Last view with whose primary a peer has found fault, and when that was heard."""
    complain_at: float = 0.0
    """When the own complaint may be repeated."""
    answered: dict[ValidatorId, float] = field(default_factory=dict)
    """When a peer's heartbeat was last answered."""

    def excuse(self, seconds: float) -> None:
        """Leave out a time in which this process did not listen: it is no fault of anybody else's."""
        self.deadlines = {item: deadline + seconds for item, deadline in self.deadlines.items()}
        self.heard = {peer: at + seconds for peer, at in self.heard.items()}
        self.lost = {peer: at + seconds for peer, at in self.lost.items()}
        self.view_at = None if self.view_at is None else self.view_at + seconds
        self.new_view_at = None if self.new_view_at is None else self.new_view_at + seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something asked for; asked again less and less often, since on a slow link the answer may be on its way."""

    at: float
    patience: float
    """Seconds until it may be asked again."""

    def is_due(self, now: float) -> bool:
        """Return whether it is time to ask again."""
        return now - self.at >= self.patience


@dataclass(slots=True, kw_only=True)
class CatchUp:
    """What peers are asked for."""

    heads: dict[ValidatorId, Height] = field(default_factory=dict)
    """Heads that peers claim, or must have had to vote as they did: hints that may not fall."""
    highest: Height = field(default=Height(0))
    """The highest of them."""
    certified: Height = field(default=Height(0))
    """Greatest height of a verified certificate whose block could not be appended when it was looked at."""
    bases: dict[ValidatorId, Height] = field(default_factory=dict)
    """Heights up to which peers say that they have no blocks."""
    blocks_behind_max: int | None = None
    """From further behind no blocks are asked for; None: from anywhere."""
    far_at: float | None = None
    """Since when somebody claims a head that is further away than that."""
    asked: ValidatorId | None = None
    """Peer that was last asked for blocks."""
    blocks: dict[ValidatorId, Question] = field(default_factory=dict)
    """Peers that were asked for blocks and have not answered."""
    bodies: dict[Digest, Question] = field(default_factory=dict)
    """Bodies asked for and not here."""
    new_views: dict[ValidatorId, float] = field(default_factory=dict)
    """Peers that were asked for a NEW-VIEW, and when last: so that one liar cannot use up the others' turns."""
    answered: dict[ValidatorId, float] = field(default_factory=dict)
    """Peers of the past era that were told how it ended, and when last."""
    verified: list[CertifiedBlock] = field(default_factory=list)
    """Blocks of an answer that wait to be appended, some in each turn."""


@dataclass(slots=True, kw_only=True)
class PendingNewView:
    """A NEW-VIEW whose view changes are being fetched."""

    new_view: NewView
    changes: dict[Digest, ViewChange]
    """Those that it names and that are here; kept apart, for a liar may have sent another one first."""

    @property
    def view(self) -> View:
        """View that it starts."""
        return self.new_view.payload.view

    @property
    def missing(self) -> tuple[Digest, ...]:
        """View changes that it names and that are not here."""
        return tuple(digest for digest in self.new_view.payload.view_changes if digest not in self.changes)


@dataclass(slots=True, kw_only=True)
class Follower:
    """What following the chain takes: a replica has more, a learner has nothing else."""

    context: EraContext
    application: Application
    timing: Timing
    head: BlockHeader
    head_certificate: CommitCertificate | None
    base: Height = ALL_BLOCKS
    """Height up to which there are no blocks here."""
    head_at: float = 0.0
    """When the head was appended, on the clock that never jumps."""
    catch_up: CatchUp = field(default_factory=CatchUp)
    later: dict[ValidatorId, deque[tuple[int, Message]]] = field(default_factory=dict)
    """Messages of the next era, for its engine, each behind its size in bytes."""
    later_status: dict[ValidatorId, Status] = field(default_factory=dict)
    """The newest heartbeats of the next era."""

    def messages_of_next_era(self) -> tuple[tuple[ValidatorId, Message], ...]:
        """Return what waits for the next era, in the order of each sender; heartbeats last."""
        waiting = ((sender, message) for sender, kept in self.later.items() for _, message in kept)
        return (*waiting, *self.later_status.items())

    def is_last(self, header: BlockHeader) -> bool:
        """Return whether a block ends this era; the era's root has ended the one before."""
        return header.height > self.context.root.height and ends_era(header)


@dataclass(slots=True, kw_only=True)
class Replica(Follower):
    """State of one replica in one era."""

    id: ValidatorId
    safety: SafetyRules
    drift_ms: int
    certificate: CommitCertificate | None = None
    """Verified, above the head: finalises its block once the bodies up to it are here."""
    entered: tuple[NewView, tuple[ViewChange, ...]] | None = None
    """What started the last view that was entered, if above 0."""
    last_entered: View = FIRST_VIEW
    """The last view that was entered."""
    pending: dict[ValidatorId, PendingNewView] = field(default_factory=dict)
    """NEW-VIEWs that may be entered once their view changes are here, the highest one of each primary."""
    view_changes: dict[View, dict[ValidatorId, ViewChange]] = field(default_factory=dict)
    accepted: dict[Height, BlockHeader] = field(default_factory=dict)
    """Blocks voted for in the current view, above the head."""
    refused: set[Digest] = field(default_factory=set)
    """Proposals of the current view that did not execute, so that they are not tried again."""
    forgotten: Vote | None = None
    """A vote by our own key that our vote log should hold and does not; whoever runs the engine must end its vote."""
    bundles: list[VoteBundle] = field(default_factory=list)
    """Own votes of the current view above the head, for resending."""
    timers: Timers = field(default_factory=Timers)
    pace: Pace = field(init=False)
    tally: Tally = field(init=False)
    bodies: Bodies = field(init=False)
    witness: Witness = field(init=False)

    def __post_init__(self) -> None:
        self.pace = Pace(timing=self.timing, validators=self.context.validators)
        self.tally = Tally(self.context.era)
        self.bodies = Bodies(self.context.window)
        members = EraMembers(
            era=self.context.era,
            first_height=self.context.first_height,
            last_height=None,
            validators=self.context.validators,
        )
        self.witness = Witness(members)

    @property
    def view(self) -> View:
        """View that this replica votes in, or is changing to."""
        return self.safety.view

    @property
    def primary(self) -> ValidatorId:
        """Primary of that view."""
        return self.context.primary(self.safety.view)

    @property
    def is_primary(self) -> bool:
        """Whether this replica is the primary of its view."""
        return self.context.primary(self.safety.view) == self.id

    @property
    def window(self) -> range:
        """How far above the head blocks may be in flight."""
        return range(1, self.context.window + 1)

    @property
    def may_vote(self) -> bool:
        """Whether the view was entered and its base appended, and nothing is missing that was there before."""
        start = self.safety.start
        return start is not None and start.base.height <= self.head.height and self.safety.may_speak

    def parent_of(self, height: Height) -> Digest | None:
        """Return what a proposal at `height` must name as parent here, if that is known."""
        below = self.head if height == self.head.height + 1 else self.accepted.get(Height(height - 1))
        return None if below is None or self.is_last(below) else below.digest

    def choice_at(self, height: Height) -> Choice | None:
        """Return what the current view's NEW-VIEW carried over at a height."""
        start = self.safety.start
        choices = () if start is None else start.choices
        if not choices:
            return None
        return next((choice for choice in choices if choice.height == height), None)

    def may_enter(self, view: View) -> bool:
        """Return whether a NEW-VIEW for a view would still be news."""
        return view > self.view or (view == self.view and self.safety.start is None)

    def hold_body(self, block: Block) -> None:
        """Keep the body of a block that is voted for."""
        self.bodies.hold(block, prepared=self._prepared_digests)

    def _prepared_digests(self) -> set[Digest]:
        certificates = (self.safety.prepared(Height(self.head.height + above)) for above in self.window)
        return {held.header.digest for held in certificates if held is not None}

    def leave_view(self) -> None:
        """Forget what belonged to the view that was left."""
        self.accepted.clear()
        self.refused.clear()
        self.bundles.clear()
        self.pending = {primary: pending for primary, pending in self.pending.items() if self.may_enter(pending.view)}
        self.catch_up.bodies.clear()
        self.timers.deadlines.clear()
        self.timers.view_at = self.timers.new_view_at = None
        self.timers.complain_at = 0.0
        self.pace.leave_view(self.context.primary(self.last_entered), self.head_at)
        self.tally.prune(head=self.head.height, view=self.view)

    def note(self, out: Effects, name: str, detail: str = "") -> None:
        """Add a log event."""
        out.events.append(Event(name=name, height=Height(self.head.height), view=self.view, detail=detail))

    def raise_certificate(self, certificate: CommitCertificate) -> None:
        """Remember a verified certificate if it is the highest above the head."""
        known = self.head.height if self.certificate is None else self.certificate.height
        if certificate.height > known:
            self.certificate = certificate
