"""A chain that was really trained on: small but true models, updates, reports, votes and attestations, in memory.

Eight rounds of one task: in some a participant is refused, absent or late, and one round ends void.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aggregation.aggregate import Input, Outcome, Recipe, aggregate
from aggregation.blob_kinds import facts_of
from aggregation.layouts import layout_facts
from aggregation.model_file import import_model
from aggregation.update_file import encode_update
from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.blobs import BlobFacts
from ledger.blocks import BlockHeader
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.encoding import encode
from ledger.entries import CommitteeDrawn, Rejected
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import ParticipantId, ValidatorId, View
from ledger.records import RoundRecord, RoundStatus, TaskRecord
from ledger.tasks import (
    PRIVACY_PLAIN,
    EqualWeights,
    FedAvg,
    Invitation,
    Layout,
    Role,
    TaskSpec,
    TensorSpec,
    TrimmedMean,
    rule_digest,
)
from ledger.transactions import Attest, EnrolParticipant, RegisterTask, SubmitUpdate
from ledger.votes import Vote, VoteBundle, VoteKind, VoteProof
from quorate.chain_folder import ChainFolderWriter
from tests.consortium import signing_key
from tests.contracts.driver import Chain, actions, verdicts

TASK = "heart"
PARTICIPANTS = 5
ROUNDS = 8
VOID_ROUND = 4
REFUSED = (2, 5)
"""In round 2 the update of participant 5 is over the norm bound."""
ABSENT = (3, 4)
"""In round 3 participant 4 sends nothing."""
NORM_MAX = 2**31

LAYOUT = Layout(
    tensors=(
        TensorSpec(name="bias", shape=(3,), exponent=20, role=Role.WEIGHT),
        TensorSpec(name="mean", shape=(2,), exponent=20, role=Role.STATISTIC),
        TensorSpec(name="weight", shape=(3, 4), exponent=20, role=Role.WEIGHT),
    )
)


@dataclass
class TrainedChain(Chain):
    """The chain, and every blob by digest."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    sites: dict[ParticipantId, SigningKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Chain.__init__(self, validators=4, trainers=PARTICIPANTS - 4)

    # What is set up once

    def set_up(self) -> None:
        """Enrol the participants and register the task."""
        enrolments = []
        for number, (name, operator) in enumerate(self.members.operators.items(), start=1):
            key = self.sites[ParticipantId(number)] = signing_key(f"{name}/site")
            body = EnrolParticipant(organisation=name, name="site", key=key.public)
            enrolments.append(self.sign(operator, body))
        initial = import_model(LAYOUT, {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in LAYOUT.tensors})
        self.block(*enrolments, self.store(encode(LAYOUT), layout_facts(LAYOUT)))
        self.block(self.store(initial))
        spec = TaskSpec(
            name=TASK,
            layout=LAYOUT.digest,
            initial_model=sha256(initial),
            source=ZERO_DIGEST,
            rule=TrimmedMean(),
            server=FedAvg(),
            weights=EqualWeights(),
            privacy=PRIVACY_PLAIN,
            faulty_max=1,
            norm_max=NORM_MAX,
            invited=tuple(
                Invitation(participant=ParticipantId(number), examples_max=1_000)
                for number in range(1, PARTICIPANTS + 1)
            ),
            updates_min=3,
            deadline_ms=60_000,
            attempt_ms=30_000,
            committee_size=3,
            rounds_max=ROUNDS,
            retain_rounds=ROUNDS,
        )
        assert self.accepted(self.operator, RegisterTask(task=spec)) == (1,)

    def store(self, data: bytes, facts: BlobFacts | None = None) -> bytes:
        """Keep a blob and return the transaction that records it."""
        digest = sha256(data)
        self.blobs[digest] = data
        known = facts_of(data, LAYOUT) if facts is None else facts
        return self.sign(self.operator, self.recording(digest, known, size=len(data)))

    # What happens in a round

    @property
    def task(self) -> TaskRecord:
        record = queries.task(self.state, TASK)
        assert record is not None
        return record

    @property
    def round(self) -> RoundRecord:
        record = queries.round_record(self.state, TASK, self.task.round)
        assert record is not None
        return record

    def train(self, participants: Iterable[int]) -> ExecutedBlock:
        """Let participants send an update each."""
        raws = []
        for who in participants:
            data = self.update_of(who)
            raws.append(self.store(data))
            body = SubmitUpdate(
                task=TASK, round=self.round.round, base=self.round.base, blob=sha256(data), examples=100 + who
            )
            raws.append(self.sign(self.sites[ParticipantId(who)], body))
        return self.block(*raws)

    def update_of(self, who: int) -> bytes:
        """Return the update that a participant sends in this round."""
        number = self.round.round
        chance = np.random.default_rng((number, who))
        scale = 2**22 if (number, who) == REFUSED else 2**18
        row = {
            tensor.name: chance.integers(-scale, scale, tensor.elements, dtype=np.int32, endpoint=True)
            for tensor in LAYOUT.tensors
        }
        return encode_update(LAYOUT, row)

    def attest(self) -> Outcome:
        """Close the round, draw the committee, and let two of its members decide."""
        if self.round.status is RoundStatus.OPEN:
            self.block(time=self.round.deadline)
        (drawn,) = actions(self.block())
        assert isinstance(drawn, CommitteeDrawn)
        outcome = self.aggregated()
        body = self.attestation(outcome)
        self.block(*(self.sign(self.members.services[member], body) for member in drawn.members[:2]))
        return outcome

    def aggregated(self) -> Outcome:
        """Apply the recipe and let model and report be recorded."""
        round_ = self.round
        known = queries.participations(self.state, TASK, round_.round)
        inputs = [
            Input(participant=who, weight=item.weight, blob=item.blob, buffer=self.blobs[item.blob])
            for who, item in known.items()
            if item.blob is not None
        ]
        written: list[bytes] = []
        recipe = Recipe(
            task=self.task.spec,
            round=round_.round,
            layout=LAYOUT,
            base=round_.base,
            base_buffer=self.blobs[round_.base],
            inputs=inputs,
        )
        outcome = aggregate(recipe, written.append)
        self.block(self.store(b"".join(written)), self.store(outcome.report))
        return outcome

    def attestation(self, outcome: Outcome) -> Attest:
        """Return what a member attests."""
        round_ = self.round
        assert round_.inputs_root is not None
        return Attest(
            task=TASK,
            round=round_.round,
            rule=rule_digest(self.task.spec),
            inputs_root=round_.inputs_root,
            base=round_.base,
            output=outcome.model,
            view=outcome.model_facts.view,
            server_state=outcome.server_state,
            report=outcome.report_digest,
        )

    # What is handed over

    def export(self, folder: Path) -> Path:
        """Write an export; every third block has only a descendant's certificate."""
        writer = ChainFolderWriter(folder, self.members.genesis)
        for executed in self.blocks:
            header = executed.block.header
            is_certified = header.height % 3 != 0 or header.height == self.height
            certificate = self.certificate(header) if is_certified else None
            writer.add_block(CertifiedBlock(block=executed.block, certificate=certificate))
        for digest, data in self.blobs.items():
            writer.add_blob(digest, data)
        writer.finish()
        return folder

    def certificate(self, header: BlockHeader) -> CommitCertificate:
        """Return the commits of the first quorum of validators."""
        vote = Vote(kind=VoteKind.COMMIT, era=header.era, view=View(0), height=header.height, digest=header.digest)
        return CommitCertificate(
            era=header.era,
            view=View(0),
            height=header.height,
            digest=header.digest,
            commits=tuple(self._proof(ValidatorId(number), vote) for number in range(3)),
        )

    def _proof(self, validator: ValidatorId, vote: Vote) -> VoteProof:
        key = self.members.votes[validator]
        bundle = VoteBundle.sign((vote,), validator=validator, key=key, chain_id=self.chain_id)
        ((_, proof),) = bundle.proofs()
        return proof


def trained_chain() -> TrainedChain:
    """Return the chain after all its rounds."""
    chain = TrainedChain()
    chain.set_up()
    for number in range(1, ROUNDS + 1):
        senders = [who for who in range(1, PARTICIPANTS + 1) if (number, who) != ABSENT]
        if number == VOID_ROUND:
            chain.train(senders[:2])
            chain.block(time=chain.round.deadline)
            continue
        executed = chain.train(senders)
        refused = [verdict for verdict in verdicts(executed) if isinstance(verdict, Rejected)]
        assert bool(refused) == (number == REFUSED[0]), refused
        chain.attest()
    return chain
