"""Verifying a global model on a verified chain: who attested it, from which inputs, and that the recipe gives it.

Executing the chain again has shown that the contracts were followed. These steps show what that means for one model,
each from the records it rests on, and the last one recomputes the model itself: same inputs, same bytes.
"""

from aggregation.aggregate import Input, Recipe, aggregate
from aggregation.reports import inputs_root
from contracts import queries
from contracts.committee import draw
from ledger.blobs import ModelFacts
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.quantities import ModelVersion, ParticipantId, RoundNumber
from ledger.records import GlobalModelRecord, RoundRecord, TaskRecord
from ledger.tasks import rule_digest
from ledger.transactions import Attest
from quorate.blob_evidence import BlobEvidence
from quorate.errors import (
    AttestationsDiffer,
    CommitteeDiffers,
    EvidenceMissing,
    InputsDiffer,
    ModelDiffers,
    NotOnChain,
)
from quorate.verification import ReplayedChain, Report, Step


def verify_model(
    chain: ReplayedChain, blobs: BlobEvidence | None, name: str, version: ModelVersion, *, report: Report
) -> GlobalModelRecord:
    """Return the record of a global model once it is verified; without `blobs` nothing is recomputed.

    Raises NotOnChain; EvidenceMissing, which names every blob that is missing; and what each step raises.
    """
    task, record = queries.task(chain.state, name), queries.model(chain.state, name, version)
    if task is None or record is None:
        raise NotOnChain(f"global model {name}@{version}", expected="one on this chain", got="none")
    subject = f"{name}@{version}"
    if version > 0:
        round_ = queries.round_record(chain.state, name, RoundNumber(record.round))
        assert round_ is not None, "the contracts write a model only for its round"
        # (5) attestations
        with report.checking(Step.ATTESTATIONS, subject):
            _check_attestations(chain, task, record, round_)
        # (6) committee
        with report.checking(Step.COMMITTEE, subject):
            _check_committee(chain, record, round_)
        # (7) inputs and base
        with report.checking(Step.INPUTS, subject):
            _check_inputs(chain, record)
    if blobs is not None:
        # (8) blobs
        inputs = _gather(chain, blobs, task, record)
        # (9) recipe
        with report.checking(Step.RECIPE, subject):
            _recompute(blobs, task, record, inputs)
    return record


def _check_attestations(chain: ReplayedChain, task: TaskRecord, record: GlobalModelRecord, round_: RoundRecord) -> None:
    """Check that f+1 validators of that height attested exactly what the record says, no later than its block."""
    place = chain.decisions[record.task, ModelVersion(record.version)]
    claimed = _claim(record)
    if record.rule != rule_digest(task.spec):
        raise AttestationsDiffer("recipe", expected=rule_digest(task.spec).hex(), got=record.rule.hex())
    attested = queries.attestations(chain.state, record.task, RoundNumber(record.round))
    agreeing = [
        validator
        for validator, item in attested.items()
        if item.attestation == claimed and item.height <= record.height
    ]
    if tuple(agreeing) != record.attesters or len(agreeing) < place.validators.weak_quorum:
        raise AttestationsDiffer(
            "validators that attest the record",
            expected=f"{list(record.attesters)}, at least {place.validators.weak_quorum}",
            got=agreeing,
        )
    strangers = [validator for validator in agreeing if round_.attempt == 1 and validator not in round_.committee]
    if strangers:
        raise AttestationsDiffer("attesters in the first attempt", expected=list(round_.committee), got=strangers)


def _claim(record: GlobalModelRecord) -> Attest:
    return Attest(
        task=record.task,
        round=record.round,
        rule=record.rule,
        inputs_root=record.inputs_root,
        base=record.base,
        output=record.model,
        view=record.view,
        server_state=record.server_state,
        report=record.report,
    )


def _check_committee(chain: ReplayedChain, record: GlobalModelRecord, round_: RoundRecord) -> None:
    """Draw the committee again from the digest of the block before the draw."""
    number = RoundNumber(record.round)
    place = chain.draws[record.task, number]
    expected = draw(
        place.validators.ids,
        size=len(round_.committee),
        digest=place.parent,
        task=record.task,
        round_number=number,
    )
    if expected != round_.committee:
        raise CommitteeDiffers(
            f"committee of round {number}, drawn in block {place.height}",
            expected=list(expected),
            got=list(round_.committee),
        )


def _check_inputs(chain: ReplayedChain, record: GlobalModelRecord) -> None:
    """Check the inputs root over the accepted updates, and that the base is the model before."""
    number = RoundNumber(record.round)
    root = inputs_root(_accepted(chain, record))
    if root != record.inputs_root:
        raise InputsDiffer(f"inputs root of round {number}", expected=record.inputs_root.hex(), got=root.hex())
    before = queries.model(chain.state, record.task, ModelVersion(record.version - 1))
    got = ZERO_DIGEST if before is None else before.model
    if got != record.base:
        raise InputsDiffer(f"base of {record.task}@{record.version}", expected=record.base.hex(), got=got.hex())


def _accepted(chain: ReplayedChain, record: GlobalModelRecord) -> list[tuple[ParticipantId, Digest, int]]:
    """Return (participant, blob, weight) of the round's accepted updates, by participant number."""
    participations = queries.participations(chain.state, record.task, RoundNumber(record.round))
    return [(who, item.blob, item.weight) for who, item in participations.items() if item.blob is not None]


def _gather(chain: ReplayedChain, blobs: BlobEvidence, task: TaskRecord, record: GlobalModelRecord) -> list[Input]:
    """Return the round's inputs; raises EvidenceMissing that names every blob without which nothing is recomputed.

    The outputs need not be there, since they are recomputed; if they are, they are checked too.
    """
    accepted = _accepted(chain, record) if record.version > 0 else []
    needed = [task.spec.layout, record.base if record.version > 0 else record.model, *(blob for _, blob, _ in accepted)]
    missing = [digest for digest in needed if blobs.find(digest) is None]
    if missing:
        raise EvidenceMissing(
            f"recomputing {record.task}@{record.version}",
            expected="blobs " + ", ".join(digest.hex() for digest in missing),
            got=f"none of these ({blobs.missing[missing[0]].got})",
        )
    for output in (record.model, record.report):
        if output != ZERO_DIGEST:
            blobs.find(output)
    return [
        Input(participant=who, weight=weight, blob=blob, buffer=blobs.obtain(blob)) for who, blob, weight in accepted
    ]


def _recompute(blobs: BlobEvidence, task: TaskRecord, record: GlobalModelRecord, inputs: list[Input]) -> None:
    """Apply the recipe again and compare everything that was attested; the initial model has only its view."""
    if record.version == 0:
        _compare(record, model=record.model, view=blobs.facts(record.model, ModelFacts).view)
        return
    outcome = aggregate(
        Recipe(
            task=task.spec,
            round=RoundNumber(record.round),
            layout=blobs.layout(task.spec.layout),
            base=record.base,
            base_buffer=blobs.obtain(record.base),
            inputs=inputs,
        ),
        _discard,
    )
    _compare(
        record,
        model=outcome.model,
        view=outcome.model_facts.view,
        server_state=outcome.server_state,
        report=outcome.report_digest,
    )


def _compare(record: GlobalModelRecord, **recomputed: Digest) -> None:
    for name, got in recomputed.items():
        expected = getattr(record, name)
        if got != expected:
            raise ModelDiffers(
                f"{name} of {record.task}@{record.version}: recorded and recomputed",
                expected=expected.hex(),
                got=got.hex(),
            )


def _discard(_: bytes) -> None:
    """Take the recomputed model: only its digest is wanted."""
