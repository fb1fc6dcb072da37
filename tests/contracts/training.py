"""A chain on which participants are enrolled and a task runs; facts are invented, signatures are real."""

from collections.abc import Iterable

from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.blobs import BlobFacts, Codec, Fate, FateRecord, LayoutFacts, ModelFacts, ReportFacts, UpdateFacts
from ledger.encoding import encode_integer
from ledger.entries import Accepted, CommitteeDrawn, Verdict
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import ParticipantId, RoundNumber, ValidatorId
from ledger.records import ParticipationRecord, RoundRecord, TaskRecord
from ledger.tasks import PRIVACY_PLAIN, EqualWeights, FedAvg, Invitation, TaskSpec, TrimmedMean, rule_digest
from ledger.transactions import Attest, EnrolParticipant, RegisterTask, SubmitUpdate, Withdraw
from tests.consortium import signing_key
from tests.contracts.driver import Chain, actions, digest, verdicts

TASK = "heart"
NORM_MAX = 2**31
DEADLINE_MS = 60_000
ATTEMPT_MS = 30_000
LAYOUT = digest("layout")
OTHER_LAYOUT = digest("other layout")
MODEL = digest("initial model")
LAYOUT_FACTS = LayoutFacts(
    tensors=2, weight_elements=100, statistic_elements=0, frozen_elements=0, exponent_min=20, exponent_max=20
)


def view_of(output: Digest) -> Digest:
    """Return the digest that stands for a model's float32 view."""
    return digest(f"view of {output.hex()}")


def model_facts(blob: Digest, *, layout: Digest = LAYOUT, magnitude_max: int = 2**32) -> ModelFacts:
    return ModelFacts(layout=layout, view=view_of(blob), magnitude_max=magnitude_max)


def update_facts(*, norm: int = 1, layout: Digest = LAYOUT, value_max: int = 2**20) -> UpdateFacts:
    return UpdateFacts(layout=layout, codec=Codec.I32, norm_squared=encode_integer(norm**2), value_max=value_max)


def task_spec(participants: int = 5) -> TaskSpec:
    """Return a task that tolerates one faulty participant and has three rounds."""
    return TaskSpec(
        name=TASK,
        layout=LAYOUT,
        initial_model=MODEL,
        source=ZERO_DIGEST,
        rule=TrimmedMean(),
        server=FedAvg(),
        weights=EqualWeights(),
        privacy=PRIVACY_PLAIN,
        faulty_max=1,
        norm_max=NORM_MAX,
        invited=tuple(
            Invitation(participant=ParticipantId(number), examples_max=1_000) for number in range(1, participants + 1)
        ),
        updates_min=3,
        deadline_ms=DEADLINE_MS,
        attempt_ms=ATTEMPT_MS,
        committee_size=3,
        rounds_max=3,
        retain_rounds=2,
    )


class Training(Chain):
    """A chain with one participant per organisation, numbered from 1, and the blobs that a task needs."""

    def __init__(
        self,
        spec: TaskSpec | None = None,
        *,
        validators: int = 4,
        trainers: int = 1,
        parameters: ChainParameters | None = None,
    ) -> None:
        super().__init__(validators=validators, trainers=trainers, parameters=parameters)
        self.sites: dict[ParticipantId, SigningKey] = {}
        enrolments = []
        for number, (name, operator) in enumerate(self.members.operators.items(), start=1):
            key = self.sites[ParticipantId(number)] = signing_key(f"{name}/site")
            body = EnrolParticipant(organisation=name, name="site", key=key.public)
            enrolments.append(self.sign(operator, body))
        blobs = self.record(LAYOUT, LAYOUT_FACTS), self.record(MODEL, model_facts(MODEL))
        self.block(*enrolments, *blobs)
        if spec is not None:
            self.start(spec)

    def start(self, spec: TaskSpec) -> None:
        """Register a task; its first round opens."""
        assert self.accepted(self.operator, RegisterTask(task=spec)) == (1,)

    # What state says

    def task(self) -> TaskRecord:
        record = queries.task(self.state, TASK)
        assert record is not None
        return record

    def round(self, number: int | None = None) -> RoundRecord:
        record = queries.round_record(self.state, TASK, RoundNumber(number or self.task().round))
        assert record is not None
        return record

    def participation(self, who: int, number: int | None = None) -> ParticipationRecord:
        return queries.participation(self.state, TASK, self.round(number).round, ParticipantId(who))

    # What participants send

    def update(self, who: int, *, name: str | None = None) -> SubmitUpdate:
        """Return a participant's update for the current round; its blob is named after both."""
        round_ = self.round()
        blob = digest(name or f"update of {who} in {round_.round}")
        return SubmitUpdate(task=TASK, round=round_.round, base=round_.base, blob=blob, examples=10)

    def recorded_update(self, who: int, *, facts: BlobFacts | None = None) -> SubmitUpdate:
        """Return a participant's update after its blob has been recorded."""
        body = self.update(who)
        if queries.blob(self.state, body.blob) is None:
            self.block(self.record(body.blob, facts or update_facts()))
        return body

    def submit(self, who: int, body: SubmitUpdate, *, after: int = 1_000, time: int | None = None) -> Verdict:
        return self.verdict(self.sites[ParticipantId(who)], body, after=after, time=time)

    def send_all(self, participants: Iterable[int]) -> ExecutedBlock:
        """Record and submit one update each in one block."""
        raws = []
        for who in participants:
            body = self.update(who)
            raws += [
                self.record(body.blob, update_facts()),
                self.sign(self.sites[ParticipantId(who)], body),
            ]
        executed = self.block(*raws)
        assert all(isinstance(verdict, Accepted) for verdict in verdicts(executed)), verdicts(executed)
        return executed

    def withdraw(self, who: int, number: int | None = None) -> Verdict:
        body = Withdraw(task=TASK, round=self.round(number).round)
        return self.verdict(self.sites[ParticipantId(who)], body)

    # What happens by itself

    def close(self, participants: Iterable[int] = (1, 2, 3, 4)) -> ExecutedBlock:
        """Let some participants send and the deadline pass; return the closing block."""
        self.send_all(participants)
        return self.block(time=self.round().deadline)

    def draw(self) -> tuple[ValidatorId, ...]:
        """Let the block after the closing one draw the committee."""
        (drawn,) = actions(self.block())
        assert isinstance(drawn, CommitteeDrawn)
        return drawn.members

    # What validators send

    def outcome(self, name: str = "model", *, number: int | None = None, record: bool = True) -> Attest:
        """Return the attestation of an outcome of this name; its output and report are recorded first."""
        round_ = self.round(number)
        assert round_.inputs_root is not None
        body = Attest(
            task=TASK,
            round=round_.round,
            rule=rule_digest(self.task().spec),
            inputs_root=round_.inputs_root,
            base=round_.base,
            output=digest(f"{name} of {round_.round}"),
            view=view_of(digest(f"{name} of {round_.round}")),
            server_state=ZERO_DIGEST,
            report=digest(f"report on {name} of {round_.round}"),
        )
        if record and queries.blob(self.state, body.output) is None:
            output = self.record(body.output, model_facts(body.output))
            self.block(output, self.record(body.report, self.report_facts(round_)), after=0)
        return body

    def report_facts(self, round_: RoundRecord) -> ReportFacts:
        """Return a report that cuts the first accepted input and uses the others."""
        assert round_.inputs_root is not None
        inputs = [
            who for who, item in queries.participations(self.state, TASK, round_.round).items() if item.blob is not None
        ]
        fates = [FateRecord(participant=who, fate=Fate.USED if index else Fate.CUT) for index, who in enumerate(inputs)]
        return ReportFacts(task=TASK, round=round_.round, inputs_root=round_.inputs_root, fates=tuple(fates))

    def attest(self, validator: int, body: Attest, *, after: int = 1_000) -> Verdict:
        return self.verdict(self.members.services[ValidatorId(validator)], body, after=after)

    def attest_together(self, outcomes: Iterable[tuple[int, Attest]]) -> ExecutedBlock:
        """Append a block with several validators' attestations."""
        signed = [self.sign(self.members.services[ValidatorId(who)], body) for who, body in outcomes]
        return self.block(*signed)

    def decide(self, participants: Iterable[int] = (1, 2, 3, 4)) -> ExecutedBlock:
        """Carry the current round through to a global model; return the deciding block."""
        self.close(participants)
        members = self.draw()
        outcome = self.outcome()
        return self.attest_together((member, outcome) for member in members[:2])
