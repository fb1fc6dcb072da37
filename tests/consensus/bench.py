"""One real engine under test, among peers whose every message the test forges."""

from collections.abc import Sequence
from typing import TypeVar

from consensus.engine import Engine
from consensus.learner import Learner
from consensus.messages import Complaint, Message, Proposal, Votes
from consensus.new_view import EraContext
from consensus.ports import Effects, Head, Moment, Send, Timing
from consensus.records import Record, decode_record, encode_record, needed_records, records_since
from consensus.replica import ends_era
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock
from ledger.evidence import ProvenOffence
from ledger.quantities import Height, TimeMs, ValidatorId
from ledger.votes import Vote, VoteKind
from tests.consensus.forge import Forge
from tests.simulation.chain import EPOCH_MS, is_known, key_of, next_context
from tests.simulation.toy import ToyApplication

TIMING = Timing(view=1.0, view_max=8.0, resend=0.3, status=0.7, fetch=0.3)
DRIFT_MS = 5_000

M = TypeVar("M", bound=Message)


class Bench:
    """Carries effects out as the runtime does, in memory, and keeps what was sent."""

    def __init__(
        self,
        forge: Forge,
        who: int,
        *,
        skew_ms: int = 0,
        engine: type[Engine] = Engine,
        agreeing: int | None = None,
    ) -> None:
        """Begin at genesis; `agreeing` is a peer that finds fault with every primary: it takes f+1."""
        self.forge = forge
        self.id = ValidatorId(who)
        self.agreeing = agreeing
        self.now = 0.0
        self.skew_ms = skew_ms
        self._engine = engine
        self.chain: list[CertifiedBlock] = []
        self.records: list[bytes] = []
        self.sent: list[Send] = []
        self.events: list[str] = []
        self.evidence: list[ProvenOffence] = []
        self.reasons: list[str] = []
        self.application: ToyApplication
        self.machine: Engine | Learner
        self.restart()

    @property
    def engine(self) -> Engine:
        """The engine of one that has a vote."""
        assert isinstance(self.machine, Engine)
        return self.machine

    @property
    def moment(self) -> Moment:
        """Both clocks."""
        return Moment(elapsed=self.now, time=TimeMs(EPOCH_MS + int(self.now * 1000) + self.skew_ms))

    @property
    def height(self) -> int:
        """Height of the appended head."""
        return len(self.chain)

    def restart(self, records: Sequence[bytes] | None = None) -> None:
        """Start again from what is durable, or from these records."""
        if records is not None:
            self.records = list(records)
        self.application = ToyApplication(self.forge.genesis)
        for certified in self.chain:
            self.application.process_proposal(certified.block)
            self.application.append([certified])
        self.machine = self._open()

    def _open(self) -> Engine | Learner:
        """Return what takes part in the era after the head, or follows it where this one has no vote."""
        context = self._context()
        member = context.validators.get(self.id)
        head = Head(header=self.application.head, certificate=self.chain[-1].certificate if self.chain else None)
        if member is None:
            return Learner(context=context, head=head, application=self.application, timing=TIMING)
        return self._engine(
            context=context,
            validator=self.id,
            key=key_of(member),
            head=head,
            application=self.application,
            timing=TIMING,
            drift_ms=DRIFT_MS,
            records=self.decoded(),
        )

    def _context(self) -> EraContext:
        ends = [certified.block.header for certified in self.chain if ends_era(certified.block.header)]
        if not ends or not is_known(ends[-1].next_validators):
            return self.forge.context
        return next_context(ends[-1], window=self.forge.window)

    def _hand_over(self) -> None:
        """Begin the next era, if the head has ended one and the set is known."""
        if not self.machine.has_ended or not is_known(self.machine.head.next_validators):
            return
        later = self.machine.later
        self.machine = self._open()
        context = self._context()
        self.records = records_since(self.records, context.era, root=context.root.height)
        for sender, message in later:
            self._carry_out(self.machine.receive(sender, message, self.moment))

    def decoded(self) -> list[Record]:
        """Return the vote log."""
        return [decode_record(data) for data in self.records]

    def cut_log(self) -> None:
        """Forget the records that are no longer needed."""
        self.records = needed_records(self.records, head=Height(self.height))

    def receive(self, sender: int, *messages: Message) -> list[Message]:
        """Take messages one after the other; return what was sent in answer."""
        before = len(self.sent)
        for message in messages:
            self._carry_out(self.machine.receive(ValidatorId(sender), message, self.moment))
        return self.messages_since(before)

    def tick(self, seconds: float = 0.0) -> list[Message]:
        """Let time pass, and look for work; return what was sent."""
        before = len(self.sent)
        self.now += seconds
        if self.agreeing is not None:
            self.receive(self.agreeing, Complaint(era=self.engine.era, view=self.engine.view))
        self._carry_out(self.machine.tick(self.moment))
        return self.messages_since(before)

    def submit(self, item: bytes) -> list[Message]:
        """Admit an item; return what was sent."""
        self.application.submit(item)
        return self.tick()

    def propose(self, block: Block, view: int = 0) -> list[Message]:
        """Hear the body and the pre-prepare of a block from the primary of a view."""
        primary = self.forge.primary(view)
        return self.receive(primary, Proposal(block=block), self.forge.pre_prepare(block.header, view))

    def prepare_by(self, who: Sequence[int], block: Block, view: int = 0) -> list[Message]:
        """Hear prepares."""
        return [sent for one in who for sent in self.receive(one, self.forge.prepare(one, block.header, view))]

    def commit_by(self, who: Sequence[int], block: Block, view: int = 0) -> list[Message]:
        """Hear commits."""
        return [sent for one in who for sent in self.receive(one, self.forge.commit(one, block.header, view))]

    def messages_since(self, number: int) -> list[Message]:
        """Return what was sent after so many messages."""
        return [send.message for send in self.sent[number:]]

    def of_kind(self, kind: type[M]) -> list[M]:
        """Return all messages of a kind that were sent."""
        return [send.message for send in self.sent if isinstance(send.message, kind)]

    def votes(self, kind: VoteKind) -> list[Vote]:
        """Return all votes of a kind that were sent, each once."""
        votes = [vote for message in self.of_kind(Votes) for vote in message.bundle.votes if vote.kind is kind]
        return list(dict.fromkeys(votes))

    def _carry_out(self, effects: Effects) -> None:
        while True:
            if effects.append:
                self.application.append(effects.append)
                self.chain += effects.append
            votes = self.machine.take_votes()
            self.records += [encode_record(record) for record in effects.persist]
            if votes is not None:
                self.records.append(encode_record(votes))
            self.sent += effects.send
            self.events += [event.name for event in effects.events]
            self.evidence += effects.evidence
            self.reasons += [event.detail for event in effects.events]
            if votes is None:
                self._hand_over()
                return
            effects = self.machine.seal(self.moment)
