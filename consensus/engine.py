"""The engine: messages and the time go in, effects come out.

Whoever runs it calls one input at a time and carries the effects out in the order that `ports.Effects` names. The
admitted votes of one or several inputs leave together:

    effects = engine.turn(arrived, now, refuse=log)      # all that has arrived, and the passing of time
    append(effects.append); persist(effects.persist + [engine.take_votes()]); sync()
    more = engine.seal(now)                              # signs, counts own votes, may admit further ones
    send(effects.send + more.send)                       # and go on with `more` in the same way
"""

from collections.abc import Callable, Iterable, Sequence

from consensus import accountability, catch_up, changing, finality, normal_case, receiving, restoring, watching
from consensus.errors import ProtocolViolation
from consensus.messages import Choice, Message, Status, Votes
from consensus.new_view import EraContext
from consensus.ports import Application, Effects, Head, Moment, Send, Timing
from consensus.records import Record, VotesRecord
from consensus.replica import Replica
from consensus.safety_rules import SafetyRules
from ledger.blocks import BlockHeader
from ledger.keys import SigningKey
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote


class Engine:
    """One replica of PBFT in one era."""

    def __init__(
        self,
        *,
        context: EraContext,
        validator: ValidatorId,
        key: SigningKey,
        head: Head,
        application: Application,
        timing: Timing,
        drift_ms: int,
        records: Sequence[Record] = (),
    ) -> None:
        """Begin at the appended head, with what the vote log holds."""
        tip = Choice(height=head.header.height, digest=head.header.digest)
        # At the root of an era the head's certificate is of the era before: nothing of this era is certified yet.
        certificate = None if head.header.height == context.root.height else head.certificate
        safety = SafetyRules(context=context, validator=validator, key=key, head=tip, certificate=certificate)
        self._replica = Replica(
            context=context,
            id=validator,
            safety=safety,
            application=application,
            timing=timing,
            drift_ms=drift_ms,
            head=head.header,
            head_certificate=certificate,
            base=head.base,
        )
        restoring.restore(self._replica, records)

    @property
    def era(self) -> Era:
        """Era that this engine votes in."""
        return self._replica.context.era

    @property
    def head(self) -> BlockHeader:
        """Header of the last block that was given out for appending."""
        return self._replica.head

    @property
    def view(self) -> View:
        """View that this replica votes in, or is changing to."""
        return self._replica.view

    @property
    def is_active(self) -> bool:
        """Whether the view was entered."""
        return self._replica.safety.start is not None

    @property
    def primary(self) -> ValidatorId:
        """Primary of the view."""
        return self._replica.primary

    @property
    def has_ended(self) -> bool:
        """Whether the head ends the era: this engine votes no more, and the next era needs one of its own."""
        return self._replica.is_last(self._replica.head)

    @property
    def silence(self) -> str:
        """Why it votes for nothing now, in words for its operator; empty while it may vote."""
        return watching.silence(self._replica)

    @property
    def forgotten(self) -> Vote | None:
        """A vote by our own key that the vote log should hold and does not: this engine's votes must leave no more."""
        return self._replica.forgotten

    @property
    def is_behind(self) -> bool:
        """Whether f+1 peers claim a higher head, or a certificate is here of a block that is not."""
        return catch_up.is_behind(self._replica)

    @property
    def peer_heads(self) -> dict[ValidatorId, Height]:
        """Heads that peers claim."""
        return dict(self._replica.catch_up.heads)

    @property
    def later(self) -> tuple[tuple[ValidatorId, Message], ...]:
        """Messages of the next era that came early, in the order of each sender: for that era's engine."""
        return self._replica.messages_of_next_era()

    @property
    def certain_head(self) -> Height:
        """Height that an honest peer has reached, or ours."""
        return catch_up.certain_head(self._replica)

    def ask_for_blocks(self, *, behind_max: int | None) -> None:
        """Ask for blocks from at most so far behind: a snapshot is to bridge what is more. None: from anywhere."""
        self._replica.catch_up.blocks_behind_max = behind_max

    @property
    def peers_serving(self) -> list[ValidatorId]:
        """Peers that claim a higher head and the block after ours."""
        return catch_up.serving(self._replica)

    def receive(self, sender: ValidatorId, message: Message, now: Moment) -> Effects:
        """Take a peer's message; raises ProtocolViolation, leaving everything as it was, if no honest peer sends it.

        StateDivergence and Unsafe mean that this node must stop.
        """
        out = Effects()
        receiving.take_in(self._replica, sender, message, now, out)
        finality.append_answered(self._replica, now, out)
        return self._finish(now, out)

    def turn(
        self,
        arrived: Iterable[tuple[ValidatorId, Message]],
        now: Moment,
        *,
        refuse: Callable[[ProtocolViolation], None],
    ) -> Effects:
        """Take messages in and let time pass; what follows from all of them together is done once.

        Calls `refuse` for a message that no honest peer sends. Raises StateDivergence and Unsafe as `receive`.
        """
        out = Effects()
        for sender, message in arrived:
            try:
                receiving.take_in(self._replica, sender, message, now, out)
            except ProtocolViolation as error:
                refuse(error)
        finality.append_answered(self._replica, now, out)
        normal_case.advance(self._replica, now, out)  # first: what has arrived may be what a timer waits for
        if self._pass_time(now, out):
            return self._finish(now, out)
        self._arm(now, out)  # what the timers watch has not changed since
        return out

    def tick(self, now: Moment) -> Effects:
        """Let time pass, or look again for work that has come up."""
        out = Effects()
        finality.append_answered(self._replica, now, out)
        self._pass_time(now, out)
        return self._finish(now, out)

    def excuse(self, seconds: float) -> None:
        """Leave out a time in which this process did not listen: paused, starved, or busy with one long turn.

        Whatever arrives next was sent before it; without this a process that was stopped for a minute would wake up to
        expired timers and leave a view that has been working well.
        """
        self._replica.timers.excuse(seconds)
        self._replica.pace.excuse(seconds)

    def lost(self, peer: ValidatorId, now: Moment) -> None:
        """Take a hint of the network: the connection to a peer broke. Until that is heard again, patience is short."""
        watching.lose(self._replica, peer, now)

    def take_votes(self) -> VotesRecord | None:
        """Return what `seal` is going to sign; to be persisted after the records of the effects, in the same sync."""
        return self._replica.safety.take()

    def seal(self, now: Moment) -> Effects:
        """Sign the votes that were taken and synced; count them, and go on from there."""
        out = Effects()
        for bundle in self._replica.safety.seal():
            self._replica.bundles.append(bundle)
            out.send.append(Send(message=Votes(bundle=bundle)))
            normal_case.count(self._replica, bundle)
        return self._finish(now, out)

    def _pass_time(self, now: Moment, out: Effects) -> bool:
        """Do what has come due; return whether the view was given up."""
        replica, timers = self._replica, self._replica.timers
        watching.watch(replica, now)
        why = watching.judge(replica, now, out) if replica.safety.may_speak else None
        if why is not None:
            changing.give_up(replica, View(replica.view + 1), why, now, out)
        if now.elapsed >= timers.resend_at:
            timers.resend_at = now.elapsed + replica.timing.resend
            self._resend(out)
        if now.elapsed >= timers.status_at:
            timers.status_at = now.elapsed + replica.timing.status
            self._send_status(now, out)
        catch_up.ask_if_behind(replica, now, out)
        return why is not None

    def _finish(self, now: Moment, out: Effects) -> Effects:
        normal_case.advance(self._replica, now, out)
        watching.watch(self._replica, now)
        self._arm(now, out)
        return out

    def _arm(self, now: Moment, out: Effects) -> None:
        accountability.report(self._replica, out)
        timers = self._replica.timers
        judged = [at for at in (timers.view_at, timers.new_view_at) if at is not None]
        # What has passed waits for others to agree: their complaints come, or the next one here is due.
        judged = [at if at > now.elapsed else max(at, timers.complain_at) for at in judged]
        out.timer_at = min([*judged, timers.resend_at, timers.status_at])
        if self._replica.catch_up.verified:
            out.timer_at = now.elapsed

    def _resend(self, out: Effects) -> None:
        """Send again what may have been lost; nothing while nothing is in flight. Bodies are asked for."""
        replica = self._replica
        if replica.safety.start is None and replica.safety.view_change is not None:
            out.send.append(Send(message=replica.safety.view_change))
        changing.ask_for_view_changes(replica, out)
        if replica.is_primary and replica.accepted and replica.entered is not None:
            out.send.append(Send(message=replica.entered[0]))
        out.send += [Send(message=Votes(bundle=bundle)) for bundle in replica.bundles]

    def _send_status(self, now: Moment, out: Effects) -> None:
        replica = self._replica
        status = Status(
            era=replica.context.era,
            view=replica.last_entered,
            head=Height(replica.head.height),
            base=replica.base,
            sent=int(now.elapsed * 1e6),
        )
        out.send.append(Send(message=status))
