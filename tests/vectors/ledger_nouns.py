"""One value of every noun that is signed or logged.

No two fields of one kind are alike, so that fields which change places show.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from ledger import merkle, state_tree
from ledger.approvals import Approval, approved
from ledger.blobs import (
    BlobFacts,
    Codec,
    Fate,
    FateRecord,
    Hold,
    HoldSignature,
    LayoutFacts,
    ModelFacts,
    ReportFacts,
    UpdateFacts,
)
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock
from ledger.encoding import Noun, encode, encode_integer
from ledger.entries import (
    Accepted,
    ActionEntry,
    CommitteeDrawn,
    ProtocolActivated,
    Receipt,
    Rejected,
    RoundClosed,
    RoundDecided,
    RoundOpened,
    RoundVoided,
    SecondAttempt,
    SystemAction,
    TaskFinished,
    TaskHalted,
    TransactionEntry,
    VoidReason,
)
from ledger.membership import (
    AddValidator,
    Change,
    DropLearner,
    RegisterLearner,
    RemoveValidator,
    ReplaceValidator,
    RotateKeys,
    SeatKeys,
    prove_possession,
)
from ledger.parameters import ChainParameters
from ledger.quantities import Era, Height, ModelVersion, ParticipantId, RoundNumber, ValidatorId, View
from ledger.tasks import (
    CappedExamples,
    EqualWeights,
    FedAvg,
    Invitation,
    Layout,
    Mean,
    Role,
    TaskSpec,
    TensorSpec,
    TrimmedMean,
)
from ledger.transactions import (
    ActivateProtocol,
    Attest,
    Body,
    ChangeValidators,
    EnrolParticipant,
    RecordBlob,
    RegisterTask,
    ReportEquivocation,
    SignedTransaction,
    SubmitUpdate,
    Transaction,
    Withdraw,
)
from ledger.votes import Vote, VoteBundle, VoteKind
from tests.ledger.helpers import (
    certificate_der,
    commit_certificate,
    digest,
    genesis,
    header,
    key,
    prepared_certificate,
    validator,
    vote_key,
)
from tests.vectors.ledger_evidence import EVIDENCE, evidence_nouns

GENESIS = genesis()
CHAIN = GENESIS.chain_id
PARTICIPANT = key("participant")
TASK, ROUND = "task-1", RoundNumber(3)

KEYS = SeatKeys(
    vote_key=vote_key(8).public,
    service_key=key("service 8").public,
    log_head_key=key("log-head 8").public,
    link_certificate=certificate_der(8),
    link_address="node.example:7450",
    rest_url="https://node.example:7451",
)
CHANGES: tuple[Change, ...] = (
    RegisterLearner(organisation="org-08", operator_key=key("operator 8").public, keys=KEYS),
    DropLearner(learner=ValidatorId(8)),
    AddValidator(learner=ValidatorId(9)),
    RemoveValidator(validator=ValidatorId(2)),
    ReplaceValidator(validator=ValidatorId(3), learner=ValidatorId(10)),
    RotateKeys(validator=ValidatorId(1), keys=KEYS),
)
OPERATORS = (key("operator 0"), key("operator 1"))
PROPOSED = ChangeValidators(
    era=Era(5),
    change=CHANGES[0],
    possession=tuple(
        prove_possession(CHANGES[0], key(name), chain_id=CHAIN)
        for name in ("vote 8 era 0", "service 8", "log-head 8", "operator 8")
    ),
    approvals=(),
)
APPROVED = replace(PROPOSED, approvals=approved(PROPOSED, OPERATORS, chain_id=CHAIN))

FATES = (
    FateRecord(participant=ParticipantId(5), fate=Fate.USED),
    FateRecord(participant=ParticipantId(300), fate=Fate.CUT),
)
FACTS: tuple[BlobFacts, ...] = (
    LayoutFacts(
        tensors=1,
        weight_elements=2,
        statistic_elements=3,
        frozen_elements=4,
        exponent_min=5,
        exponent_max=6,
    ),
    ModelFacts(layout=digest("layout"), view=digest("view"), magnitude_max=2**52),
    UpdateFacts(layout=digest("layout"), codec=Codec.I32, norm_squared=encode_integer(2**70 + 1), value_max=2**22),
    ReportFacts(task=TASK, round=ROUND, inputs_root=digest("inputs"), fates=FATES),
)
HOLD = Hold(era=Era(1), blob=digest("blob"), size=4_096, facts=FACTS[2])
HOLD_SIGNATURE = HoldSignature(validator=ValidatorId(2), signature=HOLD.sign(key("service 2"), chain_id=CHAIN))
LAYOUT = Layout(
    tensors=(
        TensorSpec(name="layer.bias", shape=(7,), exponent=30, role=Role.WEIGHT),
        TensorSpec(name="norm.mean", shape=(7, 9), exponent=2, role=Role.STATISTIC),
        TensorSpec(name="scale", shape=(), exponent=24, role=Role.FROZEN),
    )
)
INVITED = (
    Invitation(participant=ParticipantId(5), examples_max=1_000),
    Invitation(participant=ParticipantId(300), examples_max=70_000),
)
SPEC = TaskSpec(
    name=TASK,
    layout=digest("layout"),
    initial_model=digest("initial model"),
    source=digest("source"),
    rule=TrimmedMean(),
    server=FedAvg(),
    weights=EqualWeights(),
    privacy=0,
    faulty_max=1,
    norm_max=2**33,
    invited=INVITED,
    updates_min=4,
    deadline_ms=86_400_000,
    attempt_ms=600_000,
    committee_size=5,
    rounds_max=100,
    retain_rounds=8,
)
ATTEST = Attest(
    task=TASK,
    round=ROUND,
    rule=digest("rule"),
    inputs_root=digest("inputs"),
    base=digest("base"),
    output=digest("output"),
    view=digest("view"),
    server_state=digest("server state"),
    report=digest("report"),
)
APPROVAL = Approval.sign(b"a proposal", key("operator 2"), chain_id=CHAIN)
BODIES: tuple[Body, ...] = (
    EnrolParticipant(organisation="org-00", name="site-1", key=PARTICIPANT.public),
    RegisterTask(task=SPEC),
    RecordBlob(blob=HOLD.blob, size=HOLD.size, facts=HOLD.facts, holds=(HOLD_SIGNATURE,)),
    SubmitUpdate(task=TASK, round=ROUND, base=digest("base"), blob=digest("blob"), examples=900),
    Withdraw(task=TASK, round=ROUND),
    ATTEST,
    *(ReportEquivocation(evidence=evidence) for evidence in EVIDENCE),
)
ACTIONS: tuple[SystemAction, ...] = (
    RoundClosed(task=TASK, round=ROUND, inputs=4, inputs_root=digest("inputs")),
    CommitteeDrawn(task=TASK, round=ROUND, members=(ValidatorId(2), ValidatorId(0), ValidatorId(3))),
    SecondAttempt(task=TASK, round=ROUND),
    RoundDecided(task=TASK, round=ROUND, version=ModelVersion(4), model=digest("output"), fates=FATES),
    RoundVoided(task=TASK, round=ROUND, reason=VoidReason.NOT_ATTESTED, fates=FATES),
    RoundOpened(task=TASK, round=ROUND, base=digest("base")),
    TaskFinished(task=TASK),
    TaskHalted(task=TASK, round=ROUND),
    ProtocolActivated(version=2),
)
TRANSACTION = Transaction(
    chain_id=CHAIN,
    author=PARTICIPANT.public,
    nonce=bytes(range(16)),
    valid_until=Height(10_000),
    body=BODIES[3],
)
SIGNED = SignedTransaction.sign(TRANSACTION, PARTICIPANT)
RECEIPT = Receipt(height=Height(7), position=1, verdict=Rejected(rule="U10", values=(3, 2**63 - 1)))
ENTRIES = (
    ActionEntry(action=ACTIONS[0], receipt=Receipt(height=Height(7), position=0, verdict=Accepted())),
    TransactionEntry(signed=SIGNED, receipt=RECEIPT),
    ActionEntry(action=ACTIONS[5], receipt=Receipt(height=Height(7), position=2, verdict=Accepted(values=(1,)))),
)
LEAVES = [encode(entry) for entry in ENTRIES]
STATE: dict[bytes, bytes] = GENESIS.state
STATE_ROOT, RECORDS = state_tree.update(lambda _: None, STATE)
HEADER = header(
    GENESIS.validators,
    chain_id=CHAIN,
    height=Height(7),
    proposer=ValidatorId(3),
    transactions_root=merkle.root([encode(SIGNED)]),
    receipts_root=merkle.root(encode(entry.receipt) for entry in ENTRIES),
    state_root=STATE_ROOT,
    log_size=3,
    log_root=merkle.root(LEAVES),
)
BLOCK = Block(header=HEADER, transactions=(encode(SIGNED),))
COMMITS = commit_certificate(HEADER, (0, 1, 3), view=2)
VOTES = tuple(
    Vote(kind=kind, era=Era(0), view=View(2), height=Height(number), digest=digest(f"block {number}"))
    for number, kind in enumerate(VoteKind, start=7)
)
BUNDLE = VoteBundle.sign(VOTES, validator=ValidatorId(1), key=vote_key(1), chain_id=CHAIN)


PREPARED = prepared_certificate(HEADER, primary=3, backups=(0, 1), view=2)


def statements() -> Iterator[Noun]:
    """Yield what is signed and logged: facts, tasks, transactions, entries, blocks, votes and certificates."""
    yield from FACTS
    yield from BODIES
    yield from (*CHANGES, KEYS, PROPOSED, APPROVED)
    yield ActivateProtocol(serial=3, version=2, height=Height(5_000), approvals=(APPROVAL,))
    yield from ACTIONS
    yield from ENTRIES[1:]
    yield from (LAYOUT, *LAYOUT.tensors[:1], SPEC, *INVITED[:1])
    yield from (Mean(), TrimmedMean(), EqualWeights(), CappedExamples(), FedAvg())
    yield from (FATES[0], HOLD, HOLD_SIGNATURE, APPROVAL, TRANSACTION, SIGNED)
    yield from (Accepted(values=(9,)), RECEIPT.verdict, RECEIPT)
    yield from (HEADER, BLOCK, CertifiedBlock(block=BLOCK, certificate=COMMITS))
    yield from (*VOTES, BUNDLE, next(BUNDLE.proofs())[1], COMMITS, PREPARED)
    yield from evidence_nouns()
    yield from (ChainParameters(), validator(2))
