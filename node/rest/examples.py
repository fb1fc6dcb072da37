"""One small consortium in records: what the OpenAPI document shows as examples, in the very form of answers."""

from ledger.blobs import Codec, Fate, ReadRequest, SignedReadRequest, SignedTicket, UpdateFacts, UploadTicket
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import encode, encode_integer
from ledger.entries import Accepted, ActionEntry, Receipt, RoundOpened, TransactionEntry
from ledger.evidence import Offence, OffenceKind
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import PublicKey, SigningKey
from ledger.quantities import (
    Era,
    Height,
    ModelVersion,
    ParticipantId,
    RoundNumber,
    TimeMs,
    ValidatorId,
    View,
)
from ledger.records import (
    AttestationRecord,
    BlobRecord,
    GlobalModelRecord,
    OffenceRecord,
    OrganisationRecord,
    ParticipantRecord,
    ParticipationRecord,
    RoundRecord,
    RoundStatus,
    TaskRecord,
    TaskStatus,
)
from ledger.tasks import (
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
from ledger.transactions import Attest, SignedTransaction, SubmitUpdate, Transaction
from ledger.validators import Validator


def digest_of(name: str) -> Digest:
    """Return the digest that stands for something of this name."""
    return sha256(name.encode())


def key_of(name: str) -> PublicKey:
    """Return bytes in the place of somebody's key."""
    return PublicKey(digest_of(name))


CHAIN_ID = digest_of("genesis")
SITE = SigningKey(digest_of("site"))
"""Signs what the site sends; as public as everything here."""
TIME = TimeMs(1_767_225_600_000)
ORGANISATION = OrganisationRecord(name="hospital-a", operator_key=key_of("operator"))
PARTICIPANT = ParticipantRecord(
    participant=ParticipantId(1), organisation="hospital-a", name="site", key=SITE.public, enrolled=Height(3)
)
OFFENCE = OffenceRecord(
    offence=Offence(offender=ValidatorId(2), kind=OffenceKind.PROPOSAL, era=Era(0), view=View(1), height=Height(8)),
    reporter=ValidatorId(0),
    recorded=Height(9),
    transaction=digest_of("transaction"),
)
VALIDATOR = Validator(
    id=ValidatorId(0),
    organisation="hospital-a",
    vote_key=key_of("vote"),
    service_key=key_of("service"),
    log_head_key=key_of("log-head"),
    link_certificate=digest_of("certificate") * 2,
)
LAYOUT_BLOB = encode(
    Layout(
        tensors=(
            TensorSpec(name="linear.bias", shape=(2,), exponent=20, role=Role.WEIGHT),
            TensorSpec(name="linear.weight", shape=(2, 30), exponent=20, role=Role.WEIGHT),
        )
    )
)
SPEC = TaskSpec(
    name="cardio",
    layout=sha256(LAYOUT_BLOB),
    initial_model=digest_of("initial model"),
    source=ZERO_DIGEST,
    rule=TrimmedMean(),
    server=FedAvg(),
    weights=EqualWeights(),
    privacy=0,
    faulty_max=1,
    norm_max=2**31,
    invited=(Invitation(participant=ParticipantId(1), examples_max=1_000),),
    updates_min=3,
    deadline_ms=3_600_000,
    attempt_ms=600_000,
    committee_size=3,
    rounds_max=50,
    retain_rounds=5,
)
TASK = TaskRecord(
    spec=SPEC,
    registered=Height(7),
    status=TaskStatus.RUNNING,
    round=RoundNumber(2),
    version=ModelVersion(1),
    model=digest_of("model 1"),
)
ROUND = RoundRecord(
    task="cardio",
    round=RoundNumber(1),
    status=RoundStatus.DECIDED,
    base=digest_of("initial model"),
    base_version=ModelVersion(0),
    invited=SPEC.invited,
    opened_height=Height(7),
    opened_time=TIME,
    deadline=TimeMs(TIME + SPEC.deadline_ms),
    accepted=1,
    closed_height=Height(12),
    inputs_root=digest_of("inputs"),
    era=Era(0),
    committee=(ValidatorId(2), ValidatorId(0), ValidatorId(3)),
    attempt=1,
    attempt_deadline=TimeMs(TIME + SPEC.deadline_ms + SPEC.attempt_ms),
    decided_height=Height(15),
    model=digest_of("model 1"),
)
UPDATE = SubmitUpdate(task="cardio", round=RoundNumber(1), base=ROUND.base, blob=digest_of("update"), examples=640)
TRANSACTION = Transaction(
    chain_id=CHAIN_ID, author=SITE.public, nonce=bytes(16), valid_until=Height(1_000), body=UPDATE
)
SIGNED_TRANSACTION = SignedTransaction.sign(TRANSACTION, SITE)
TICKET = SignedTicket.sign(
    UploadTicket(
        chain_id=CHAIN_ID,
        author=SITE.public,
        blob=sha256(LAYOUT_BLOB),
        size=len(LAYOUT_BLOB),
        layout=ZERO_DIGEST,
        expires=Height(1_000),
    ),
    SITE,
)
READ_REQUEST = SignedReadRequest.sign(
    ReadRequest(chain_id=CHAIN_ID, author=SITE.public, blob=sha256(LAYOUT_BLOB), expires=Height(1_000)), SITE
)
RECEIPT = Receipt(height=Height(9), position=0, verdict=Accepted())
ENTRY = TransactionEntry(signed=SIGNED_TRANSACTION, receipt=RECEIPT)
ACTION = ActionEntry(
    action=RoundOpened(task="cardio", round=RoundNumber(1), base=ROUND.base),
    receipt=Receipt(height=Height(7), position=0, verdict=Accepted()),
)
PARTICIPATION = ParticipationRecord(
    blob=UPDATE.blob, transaction=TRANSACTION.id, examples=640, weight=1, fate=Fate.USED
)
ATTESTATION = AttestationRecord(
    attestation=Attest(
        task="cardio",
        round=RoundNumber(1),
        rule=rule_digest(SPEC),
        inputs_root=digest_of("inputs"),
        base=ROUND.base,
        output=digest_of("model 1"),
        view=digest_of("view 1"),
        server_state=ZERO_DIGEST,
        report=digest_of("report"),
    ),
    height=Height(14),
)
MODEL = GlobalModelRecord(
    task="cardio",
    version=ModelVersion(1),
    round=RoundNumber(1),
    height=Height(15),
    base=ROUND.base,
    model=digest_of("model 1"),
    view=digest_of("view 1"),
    server_state=ZERO_DIGEST,
    report=digest_of("report"),
    inputs_root=digest_of("inputs"),
    rule=rule_digest(SPEC),
    attesters=(ValidatorId(0), ValidatorId(2)),
)
FACTS = UpdateFacts(layout=SPEC.layout, codec=Codec.I32, norm_squared=encode_integer(2**60), value_max=2**20)
BLOB = BlobRecord(size=4_096, facts=FACTS, recorded=Height(8))
HEADER = BlockHeader(
    protocol=1,
    chain_id=CHAIN_ID,
    era=Era(0),
    height=Height(9),
    parent=digest_of("block 8"),
    time=TIME,
    proposer=ValidatorId(1),
    transactions_root=digest_of("transactions"),
    receipts_root=digest_of("receipts"),
    state_root=digest_of("state"),
    log_size=12,
    log_root=digest_of("log"),
    validators=digest_of("validators"),
    next_validators=digest_of("validators"),
)
CERTIFICATE = CommitCertificate(era=Era(0), view=View(0), height=HEADER.height, digest=HEADER.digest, commits=())
