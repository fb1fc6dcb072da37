"""What the node and its worker process say to each other: requests and answers, each with its length before it.

Kept apart from the worker itself, so that the process that votes never imports numpy.
"""

import struct
from typing import TypeAlias

from ledger.blobs import BlobFacts
from ledger.encoding import Noun
from ledger.hashing import DigestField
from ledger.quantities import U63, ParticipantField, RoundField
from ledger.state_ranges import RangeRoot
from ledger.tasks import TaskSpec

LENGTH = struct.Struct(">I")
MESSAGE_BYTES_MAX = 8 * 2**20


class FactsRequest(Noun, frozen=True, kw_only=True, tag=1):
    """Compute the facts of a blob; for a model, write its float32 view too."""

    path: str
    layout_path: str
    """Empty for layouts and reports."""
    view_path: str
    """Where a model's view is to be written; empty: nowhere."""


class InputFile(Noun, frozen=True, kw_only=True):
    """An accepted update."""

    participant: ParticipantField
    weight: U63
    blob: DigestField
    path: str


class AggregateRequest(Noun, frozen=True, kw_only=True, tag=2):
    """Aggregate a round."""

    task: TaskSpec
    round: RoundField
    layout_path: str
    base: DigestField
    base_path: str
    inputs: tuple[InputFile, ...]
    model_path: str
    report_path: str


class CutRequest(Noun, frozen=True, kw_only=True, tag=3):
    """Cut the state whose pairs are in a file into the ranges of a snapshot."""

    source_path: str
    folder_path: str
    """Where the files of the ranges are to be written."""
    state_root: DigestField
    """What the pairs must lead to."""


class FactsAnswer(Noun, frozen=True, kw_only=True, tag=1):
    """The facts of a blob."""

    facts: BlobFacts


class AggregateAnswer(Noun, frozen=True, kw_only=True, tag=2):
    """What is to be attested; model and report lie at the paths that the request named."""

    model: DigestField
    view: DigestField
    server_state: DigestField
    report: DigestField


class Refusal(Noun, frozen=True, kw_only=True, tag=3):
    """The blob or the inputs are wrong: an error of the tree, by its code."""

    code: str
    what: str
    expected: str | None
    got: str | None


class CutAnswer(Noun, frozen=True, kw_only=True, tag=4):
    """The roots of the ranges, whose files are durable."""

    ranges: tuple[RangeRoot, ...]


Request: TypeAlias = FactsRequest | AggregateRequest | CutRequest
Answer: TypeAlias = FactsAnswer | AggregateAnswer | CutAnswer | Refusal


class Call(Noun, frozen=True, kw_only=True):
    """A request on the wire."""

    request: Request


class Reply(Noun, frozen=True, kw_only=True):
    """An answer on the wire."""

    answer: Answer
