"""One value of every noun that is kept, shown or asked with: records of the state, proofs, tickets and requests."""

from collections.abc import Iterator

from ledger import merkle, state_keys, state_tree
from ledger.blobs import Fate, ReadRequest, SignedReadRequest, SignedTicket, UploadTicket
from ledger.encoding import Noun
from ledger.hashing import ZERO_DIGEST
from ledger.light_client import EntryProof, StateEntryProof
from ledger.quantities import Era, Height, ModelVersion, ParticipantId, RoundNumber, TimeMs, ValidatorId
from ledger.records import (
    AttestationRecord,
    BlobRecord,
    EraRecord,
    EvidenceCount,
    GlobalModelRecord,
    KeyRecord,
    KeyRole,
    OffenceRecord,
    OrganisationRecord,
    ParticipantRecord,
    ParticipationRecord,
    ProtocolRecord,
    RoundRecord,
    RoundStatus,
    SeatRecord,
    SeatStatus,
    TaskRecord,
    TaskStatus,
)
from ledger.snapshots import EraBoundary, SnapshotManifest
from ledger.state_ranges import LeafRoot, NodeRoot, StateRange
from tests.ledger.helpers import digest, key
from tests.vectors.ledger_evidence import OFFENCE
from tests.vectors.ledger_nouns import (
    ATTEST,
    CHAIN,
    COMMITS,
    ENTRIES,
    FACTS,
    GENESIS,
    HEADER,
    INVITED,
    KEYS,
    LEAVES,
    PARTICIPANT,
    RECORDS,
    ROUND,
    SPEC,
    STATE,
    TASK,
)

TICKET = UploadTicket(
    chain_id=CHAIN,
    author=PARTICIPANT.public,
    blob=digest("blob"),
    size=4_096,
    layout=digest("layout"),
    expires=Height(900),
)
REQUEST = ReadRequest(chain_id=CHAIN, author=PARTICIPANT.public, blob=digest("blob"), expires=Height(901))
OPENED = RoundRecord(
    task=TASK,
    round=ROUND,
    status=RoundStatus.OPEN,
    base=digest("base"),
    base_version=ModelVersion(2),
    invited=INVITED,
    opened_height=Height(11),
    opened_time=TimeMs(12),
    deadline=TimeMs(13),
)
DECIDED = RoundRecord(
    task=TASK,
    round=ROUND,
    status=RoundStatus.DECIDED,
    base=digest("base"),
    base_version=ModelVersion(2),
    invited=INVITED,
    opened_height=Height(11),
    opened_time=TimeMs(12),
    deadline=TimeMs(13),
    accepted=14,
    closed_height=Height(15),
    inputs_root=digest("inputs"),
    era=Era(16),
    committee=(ValidatorId(2), ValidatorId(0), ValidatorId(3)),
    attempt=1,
    attempt_deadline=TimeMs(17),
    decided_height=Height(18),
    model=digest("output"),
)
MODEL = GlobalModelRecord(
    task=TASK,
    version=ModelVersion(4),
    round=ROUND,
    height=Height(18),
    base=digest("base"),
    model=digest("output"),
    view=digest("view"),
    server_state=digest("server state"),
    report=digest("report"),
    inputs_root=digest("inputs"),
    rule=digest("rule"),
    attesters=(ValidatorId(0), ValidatorId(3)),
)
PARTICIPATION = ParticipationRecord(
    attempts=1,
    blob=digest("blob"),
    transaction=digest("transaction"),
    examples=900,
    weight=800,
    withdrawn=False,
    late=True,
    fate=Fate.USED,
)
ABSENT_KEY = state_keys.round_(TASK, RoundNumber(1))
PRESENT = state_tree.prove(RECORDS.get, state_keys.PARAMETERS)
ABSENT = state_tree.prove(RECORDS.get, ABSENT_KEY)
ENTRY_PROOF = EntryProof(header=HEADER, certificate=COMMITS, entry=ENTRIES[1], index=1, path=merkle.prove(LEAVES, 1))
PRESENCE_PROOF = StateEntryProof(
    header=HEADER,
    certificate=COMMITS,
    key=state_keys.PARAMETERS,
    value=STATE[state_keys.PARAMETERS],
    proof=PRESENT,
)
MANIFEST = SnapshotManifest(
    boundaries=(EraBoundary(header=HEADER, certificate=COMMITS, members=GENESIS.validators.members),),
    header=HEADER,
    certificate=COMMITS,
    frontier=merkle.Frontier(size=3, peaks=(digest("first two leaves"), digest("third leaf"))),
    ranges=(None, LeafRoot(path=digest("path"), value=digest("value")), NodeRoot(node=digest("inner node")), None),
)
ABSENCE_PROOF = StateEntryProof(header=HEADER, certificate=COMMITS, key=ABSENT_KEY, value=None, proof=ABSENT)


def records() -> Iterator[Noun]:
    """Yield what is kept, shown or asked with."""
    yield from (TICKET, SignedTicket.sign(TICKET, PARTICIPANT))
    yield from (REQUEST, SignedReadRequest.sign(REQUEST, PARTICIPANT))
    yield KeyRecord(role=KeyRole.PARTICIPANT, organisation="org-00", subject=5)
    yield OrganisationRecord(name="org-00", operator_key=key("operator 0").public)
    yield SeatRecord(
        member=KEYS.validator(ValidatorId(8), "org-08"),
        link_address=KEYS.link_address,
        rest_url=KEYS.rest_url,
        status=SeatStatus.LEARNER,
        since=Height(2),
    )
    yield ProtocolRecord(serial=3, version=2, height=Height(5_000))
    yield ParticipantRecord(
        participant=ParticipantId(5), organisation="org-00", name="site-1", key=PARTICIPANT.public, enrolled=Height(3)
    )
    yield BlobRecord(size=4_096, facts=FACTS[1], recorded=Height(9))
    yield TaskRecord(
        spec=SPEC,
        registered=Height(4),
        status=TaskStatus.RUNNING,
        round=ROUND,
        version=ModelVersion(2),
        model=digest("base"),
    )
    yield from (OPENED, DECIDED, ParticipationRecord(), PARTICIPATION)
    yield AttestationRecord(attestation=ATTEST, height=Height(17))
    yield MODEL
    yield OffenceRecord(
        offence=OFFENCE, reporter=ValidatorId(2), recorded=Height(19), transaction=digest("transaction")
    )
    yield EraRecord(first_height=Height(1), last_height=Height(19), validators=GENESIS.validators.members)
    yield EvidenceCount(height=Height(19), count=3)
    yield merkle.Frontier(size=3, peaks=(digest("first two leaves"), digest("third leaf")))
    yield from (PRESENT, ABSENT, state_tree.StateProof(siblings=(ZERO_DIGEST,), leaf=None))
    yield from (ENTRY_PROOF, PRESENCE_PROOF, ABSENCE_PROOF)
    yield from (StateRange(pairs=()), StateRange(pairs=((b"key", b"value"), (b"", b""))))
    yield from (root for root in MANIFEST.ranges[1:3] if root is not None)
    yield from (MANIFEST.boundaries[0], MANIFEST)
