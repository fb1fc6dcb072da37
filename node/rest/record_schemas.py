"""Forms of the answers that hold nouns, derived from the nouns themselves; each with an example.

The derived types are made at run time, where mypy cannot follow: its remarks on their use as types are ignored.
"""

from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import Field, create_model

from ledger.blobs import BlobFacts
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.entries import ActionEntry, Receipt, TransactionEntry
from ledger.records import (
    AttestationRecord,
    BlobRecord,
    GlobalModelRecord,
    OffenceRecord,
    OrganisationRecord,
    ParticipantRecord,
    ParticipationRecord,
    RoundRecord,
    TaskRecord,
)
from ledger.rendering import plain
from ledger.tasks import rule_digest
from ledger.validators import Validator
from node.rest import examples
from node.rest.noun_schemas import Answer, noun_fields, noun_model, plain_type
from node.rest.schemas import HexDigest, Number, Problem, example_of


def _plain(noun: msgspec.Struct) -> dict[str, Any]:
    found = plain(noun)
    assert isinstance(found, dict)
    return found


def _answer(name: str, meaning: str, example: dict[str, Any], **fields: Any) -> type[Answer]:  # noqa: ANN401
    """Return the model of an answer; a field is its type, or (type, default)."""
    pairs: dict[str, Any] = {field: kind if isinstance(kind, tuple) else (kind, ...) for field, kind in fields.items()}
    base = cast("type[Answer]", type(name, (Answer,), {"__module__": __name__, "model_config": example_of(**example)}))
    return create_model(name, __base__=base, __doc__=meaning, **pairs)


_FINAL = {
    "id": examples.TRANSACTION.id.hex(),
    "status": "final",
    "height": 9,
    "position": 0,
    "log_index": 11,
    "receipt": _plain(examples.RECEIPT),
}
_STANDING: dict[str, Any] = {
    "id": HexDigest,
    "status": Literal["pending", "final"],
    "height": (Number | None, None),
    "position": (Number | None, None),
    "log_index": (Number | None, None),
    "receipt": (noun_model(Receipt) | None, None),
}
_PROOF = (Annotated[str | None, Field(description="Canonical StateEntryProof in hexadecimal, if asked for.")], None)

Submitted = _answer("Submitted", "A transaction that was taken in, and its receipt once final.", _FINAL, **_STANDING)
TransactionOutcome = _answer(
    "TransactionOutcome",
    "What became of a transaction; all but id and status once it is final.",
    {**_FINAL, "entry": _plain(examples.ENTRY), "proof": "98ae"},
    **_STANDING,
    entry=(noun_model(TransactionEntry) | None, None),
    proof=(Annotated[str | None, Field(description="Canonical EntryProof in hexadecimal.")], None),
)
SubmissionResult = _answer(
    "SubmissionResult",
    "What became of one transaction of several: its standing, or the problem that it has.",
    _FINAL,
    **{
        **_STANDING,
        "id": (HexDigest | None, None),
        "status": Annotated[
            Literal["pending", "final", "refused", "unknown"],
            Field(
                description="Refused: it was not taken in. Unknown: it was, and is not appended, nor waits here any "
                "more; until its `valid_until` other validators may still order it."
            ),
        ],
        "problem": (Problem | None, None),
    },
)
SubmissionResults = _answer(
    "SubmissionResults",
    "What became of the transactions of a request, in its order.",
    {"results": [_FINAL]},
    results=list[SubmissionResult],  # type: ignore[valid-type]
)
IdentifiedEntry = _answer(
    "IdentifiedEntry",
    "A transaction's entry with the transaction's id.",
    {**_plain(examples.ENTRY), "id": examples.TRANSACTION.id.hex()},
    **noun_fields(TransactionEntry),
    id=HexDigest,
)
BlockDetail = _answer(
    "BlockDetail",
    "A block with its entries; the certificate is its own, or none where a descendant's covers it.",
    {
        "digest": examples.HEADER.digest.hex(),
        "header": _plain(examples.HEADER),
        "certificate": _plain(examples.CERTIFICATE),
        "entries": [{**_plain(examples.ENTRY), "id": examples.TRANSACTION.id.hex()}, _plain(examples.ACTION)],
    },
    digest=HexDigest,
    header=noun_model(BlockHeader),
    certificate=noun_model(CommitCertificate) | None,
    entries=list[Annotated[IdentifiedEntry | noun_model(ActionEntry), Field(discriminator="kind")]],  # type: ignore[misc]
)
Task = _answer(
    "Task",
    "A registered task, its progress, and the digest that names its recipe.",
    {**_plain(examples.TASK), "rule_digest": rule_digest(examples.SPEC).hex()},
    **noun_fields(TaskRecord),
    rule_digest=HexDigest,
    proof=_PROOF,
)
Tasks = _answer(
    "Tasks",
    "All tasks by name.",
    {"tasks": [{**_plain(examples.TASK), "rule_digest": rule_digest(examples.SPEC).hex()}]},
    tasks=list[Task],  # type: ignore[valid-type]
)
Round = _answer(
    "Round",
    "A round, what each invited participant did by its number, and attestations by validator.",
    {
        "round": _plain(examples.ROUND),
        "participations": {"1": _plain(examples.PARTICIPATION)},
        "attestations": {"0": _plain(examples.ATTESTATION)},
    },
    round=noun_model(RoundRecord),
    participations=dict[str, noun_model(ParticipationRecord)],  # type: ignore[misc]
    attestations=dict[str, noun_model(AttestationRecord)],  # type: ignore[misc]
    proof=_PROOF,
)
Model = _answer("Model", "A global model.", _plain(examples.MODEL), **noun_fields(GlobalModelRecord), proof=_PROOF)
EXAMPLE_MEMBER = {
    **_plain(examples.VALIDATOR),
    "link_address": "node.hospital-a.example:7450",
    "rest_url": "https://node.hospital-a.example:7451",
}
Member = _answer(
    "Member",
    "A validator and where it is reached.",
    EXAMPLE_MEMBER,
    **noun_fields(Validator),
    link_address=str | None,
    rest_url=str | None,
)
Validators = _answer(
    "Validators",
    "The validator set of an era.",
    {"era": 0, "first_height": 1, "quorum": 3, "validators": [EXAMPLE_MEMBER]},
    era=Number,
    first_height=Number,
    quorum=Number,
    validators=list[Member],  # type: ignore[valid-type]
)
Era = _answer(
    "Era",
    "The beginning of an era, with its proof.",
    {"era": 1, "first_height": 9, "validators": [_plain(examples.VALIDATOR)], "boundary": "94"},
    era=Number,
    first_height=Number,
    validators=list[noun_model(Validator)],  # type: ignore[misc]
    boundary=str,
)
Participants = _answer(
    "Participants",
    "All training sites by registry number.",
    {"participants": [_plain(examples.PARTICIPANT)]},
    participants=list[noun_model(ParticipantRecord)],  # type: ignore[misc]
)
Organisations = _answer(
    "Organisations",
    "All members of the consortium by name.",
    {"organisations": [_plain(examples.ORGANISATION)]},
    organisations=list[noun_model(OrganisationRecord)],  # type: ignore[misc]
)
Offences = _answer(
    "Offences",
    "What validators are proven to have done.",
    {"offences": [_plain(examples.OFFENCE)]},
    offences=list[noun_model(OffenceRecord)],  # type: ignore[misc]
)
Blob = _answer(
    "Blob", "What the chain records of a blob.", _plain(examples.BLOB), **noun_fields(BlobRecord), proof=_PROOF
)
Uploaded = _answer(
    "Uploaded",
    "A blob that is stored durably here, and whether the chain has recorded it.",
    {"digest": examples.UPDATE.blob.hex(), "size": 4_096, "facts": _plain(examples.FACTS), "recorded": False},
    digest=HexDigest,
    size=Number,
    facts=plain_type(BlobFacts),
    recorded=bool,
)
