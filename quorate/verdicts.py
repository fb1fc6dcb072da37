"""The three outcomes of a verification and what each rests on: verified, tampered, undecided; never a fourth.

"Could not check" is never fine and never tampered. What is no statement about the evidence (a bad option, a node that
does not answer, a name that is not on the chain) stays an error.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ledger.errors import InputError, QuorateError, Undecidable, VerificationFailed
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.quantities import ModelVersion
from ledger.rendering import plain
from quorate.blob_evidence import BlobEvidence
from quorate.errors import EvidenceMissing, NotOnChain
from quorate.model_verification import verify_model
from quorate.replayed_view import TransactionFinder
from quorate.sources import ChainSource
from quorate.verification import ReplayedChain, Report, Step, verify_chain


class Outcome(StrEnum):
    """What is known about the evidence."""

    VERIFIED = "verified"
    TAMPERED = "tampered"
    """It contradicts itself, its signatures or its digests."""
    UNDECIDED = "undecided"
    """Something that is needed is missing; nothing is known to be wrong."""


EXIT_CODES = {Outcome.VERIFIED: 0, Outcome.TAMPERED: 1, Outcome.UNDECIDED: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome, how far it came, and what was verified."""

    outcome: Outcome
    report: Report
    errors: tuple[QuorateError, ...]
    """What contradicts or is missing."""
    values: dict[str, Any]
    """Values as JSON has them; whatever is in it was verified, whatever the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be verified."""

    trusted: Genesis | None
    replay: bool
    """Whether models are recomputed, which needs their inputs."""
    model: tuple[str, int | None] | None = None
    """One global model; without it every one of the chain."""
    transaction: Digest | None = None
    """One transaction; then no model is looked at."""


def verify(source: ChainSource, request: Request) -> Verdict:
    """Verify a source's chain and its models.

    Raises what is no statement about the evidence: ConfigurationError, NotOnChain, NodeFault.
    """
    report = Report()
    values: dict[str, Any] = {}
    errors: list[QuorateError] = []
    try:
        finder = TransactionFinder(request.transaction)
        chain = verify_chain(source, trusted=request.trusted, report=report, observers=(finder,))
        values |= _of_chain(chain)
        if request.transaction is None:
            errors += _verify_models(chain, source, request, report, values)
        else:
            values["transaction"] = dict(finder.result())
    except (VerificationFailed, InputError) as error:
        return Verdict(outcome=Outcome.TAMPERED, report=report, errors=(error,), values=values)
    except Undecidable as error:
        errors.append(error)
        if report.current is not None:
            report.lacking.add(report.current[0])
    outcome = Outcome.UNDECIDED if errors else Outcome.VERIFIED
    return Verdict(outcome=outcome, report=report, errors=tuple(errors), values=values)


def _verify_models(
    chain: ReplayedChain, source: ChainSource, request: Request, report: Report, values: dict[str, Any]
) -> list[QuorateError]:
    """Verify models, note their values, and return what is missing for others."""
    blobs = BlobEvidence(chain, source, report) if request.replay else None
    missing: list[QuorateError] = []
    verified = []
    for task, version in _wanted(chain, request.model):
        try:
            record = verify_model(chain, blobs, task, version, report=report)
        except EvidenceMissing as error:
            missing.append(error)
            report.lacking |= {Step.BLOBS, Step.RECIPE}
        else:
            verified.append(plain(record))
    values["models"] = verified
    if blobs is not None and request.model is None:
        for digest in chain.blobs:
            blobs.find(digest)  # updates of void rounds and the like: no model needs them, but they are evidence
    return missing


def _wanted(chain: ReplayedChain, model: tuple[str, int | None] | None) -> list[tuple[str, ModelVersion]]:
    if model is None:
        return list(chain.decisions)
    task, version = model
    versions = [known for name, known in chain.decisions if name == task]
    wanted = max(versions, default=None) if version is None else ModelVersion(version)
    if wanted not in versions:
        known_as = f"{task}@0 to {task}@{max(versions)}" if versions else "a task of this chain"
        raise NotOnChain("global model", expected=known_as, got=task if version is None else f"{task}@{version}")
    return [(task, ModelVersion(wanted))]


def _of_chain(chain: ReplayedChain) -> dict[str, Any]:
    head = chain.head
    return {
        "chain": chain.genesis.document.chain,
        "chain_id": chain.genesis.chain_id.hex(),
        "height": int(head.height),
        "head": head.digest.hex(),
        "time": int(head.time),
        "state_root": head.state_root.hex(),
        "log_size": head.log_size,
        "log_root": head.log_root.hex(),
        "transactions": chain.transactions,
    }
