"""Following the chain without a vote: a newcomer before its admission, and who has left, lost its vote log or its key.

It takes and serves certified blocks like every replica, through the same functions, and says nothing else: it holds no
key, so there is nothing that it could sign. It has the members of `Engine` that a runtime uses.
"""

from collections.abc import Callable, Iterable, Mapping

from consensus import catch_up, eras, finality
from consensus.errors import ProtocolViolation
from consensus.messages import Blocks, FetchBlocks, FetchBody, Finality, Message, Proposal, Status
from consensus.new_view import EraContext
from consensus.ports import Application, Effects, Event, Head, Moment, Send, Timing
from consensus.records import VotesRecord
from consensus.replica import FIRST_VIEW, Follower
from ledger.blocks import BlockHeader
from ledger.errors import InputError, VerificationFailed
from ledger.quantities import Era, Height, ValidatorId, View


class Learner:
    """Follows one era of the chain."""

    is_active = False
    """It votes in no view."""
    view: View = FIRST_VIEW
    """Views mean nothing to it."""
    forgotten = None
    """It has no votes that a log could lack."""

    def __init__(
        self, *, context: EraContext, head: Head, application: Application, timing: Timing, silence: str = ""
    ) -> None:
        """Begin at the appended head; `silence` is why it has no vote, in words for its operator."""
        self.silence = silence
        self._follower = Follower(
            context=context,
            application=application,
            timing=timing,
            head=head.header,
            head_certificate=head.certificate,
            base=head.base,
        )

    @property
    def era(self) -> Era:
        """Era that it follows."""
        return self._follower.context.era

    @property
    def head(self) -> BlockHeader:
        """Header of the last block that was given out for appending."""
        return self._follower.head

    @property
    def primary(self) -> ValidatorId:
        """Primary of the era's first view: who leads now is not known here."""
        return self._follower.context.primary(FIRST_VIEW)

    @property
    def has_ended(self) -> bool:
        """Whether the head ends the era: the next one needs an engine or learner of its own."""
        return self._follower.is_last(self._follower.head)

    @property
    def is_behind(self) -> bool:
        """Whether f+1 validators claim a higher head."""
        return catch_up.is_behind(self._follower)

    @property
    def peer_heads(self) -> Mapping[ValidatorId, Height]:
        """Heads that validators claim."""
        return dict(self._follower.catch_up.heads)

    @property
    def certain_head(self) -> Height:
        """Height that an honest validator has reached, or ours."""
        return catch_up.certain_head(self._follower)

    @property
    def peers_serving(self) -> list[ValidatorId]:
        """Validators that claim a higher head and the block after ours."""
        return catch_up.serving(self._follower)

    def ask_for_blocks(self, *, behind_max: int | None) -> None:
        """Ask for blocks from at most so far behind: a snapshot is to bridge what is more. None: from anywhere."""
        self._follower.catch_up.blocks_behind_max = behind_max

    @property
    def later(self) -> tuple[tuple[ValidatorId, Message], ...]:
        """Messages of the next era that came early: it may give this node a vote."""
        return self._follower.messages_of_next_era()

    def receive(self, sender: ValidatorId, message: Message, now: Moment) -> Effects:
        """Take a peer's message; raises ProtocolViolation for blocks that do not verify, StateDivergence."""
        out = Effects()
        try:
            self._dispatch(sender, message, now, out)
        except (InputError, VerificationFailed) as error:
            raise ProtocolViolation(sender, f"{type(message).__name__}: {error}") from error
        return out

    def turn(
        self,
        arrived: Iterable[tuple[ValidatorId, Message]],
        now: Moment,
        *,
        refuse: Callable[[ProtocolViolation], None],
    ) -> Effects:
        """Take messages in and let time pass, as `Engine.turn` does."""
        out = Effects()
        for sender, message in arrived:
            try:
                out.merge(self.receive(sender, message, now))
            except ProtocolViolation as error:
                refuse(error)
        out.merge(self.tick(now))
        return out

    def tick(self, now: Moment) -> Effects:
        """Let time pass."""
        out = Effects()
        self._append_slice(now, out)
        catch_up.ask_if_behind(self._follower, now, out)
        follower = self._follower
        out.timer_at = now.elapsed + (0 if follower.catch_up.verified else follower.timing.fetch)
        return out

    def excuse(self, seconds: float) -> None:
        """Do nothing: it has no patience with anybody that a pause of this process could use up."""

    def lost(self, peer: ValidatorId, now: Moment) -> None:
        """Do nothing: whom it asks is replaced soon enough."""

    def take_votes(self) -> VotesRecord | None:
        """Return nothing: it does not vote."""
        return None

    def seal(self, now: Moment) -> Effects:
        """Do nothing: it does not vote."""
        return self.tick(now)

    def _dispatch(self, sender: ValidatorId, message: Message, now: Moment, out: Effects) -> None:
        follower = self._follower
        if isinstance(message, FetchBlocks):
            catch_up.on_fetch_blocks(follower, sender, message, out)
        if sender not in follower.context.validators:
            return
        era = eras.era_of(message)
        if era is not None and era != follower.context.era:
            self._see_to_other_era(sender, message, era, now, out)
        match message:
            case Status():
                catch_up.note_head(follower, sender, message.head)
                follower.catch_up.bases[sender] = message.base
            case Finality() if era == follower.context.era:
                catch_up.note_head(follower, sender, message.certificate.height)
            case FetchBody():
                block = catch_up.appended_body(follower, message.digest)
                if block is not None:
                    out.send.append(Send(message=Proposal(block=block), to=sender))
            case Blocks():
                catch_up.take_in(follower, sender, message)
                self._append_slice(now, out)
        catch_up.ask_if_behind(follower, now, out)

    def _see_to_other_era(self, sender: ValidatorId, message: Message, era: Era, now: Moment, out: Effects) -> None:
        if era < self._follower.context.era:
            eras.answer_past(self._follower, sender, message, now, out)
            return
        eras.keep_for_next(self._follower, sender, era, message)
        if not isinstance(message, Status):
            eras.on_later(self._follower, sender, now, out)

    def _append_slice(self, now: Moment, out: Effects) -> None:
        follower = self._follower
        blocks = catch_up.next_slice(follower)
        if blocks:
            finality.execute(follower, blocks, now, out)
            out.events.append(
                Event(
                    name="appended",
                    height=Height(follower.head.height),
                    view=FIRST_VIEW,
                    detail=f"{len(blocks)} block(s)",
                )
            )
