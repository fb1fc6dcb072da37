"""From a round's frozen inputs to a global model file and a report: the one function that attestations rest on.

Two passes over the memory-mapped inputs, block by block: one for the Gram matrix, one for the result, which is written
in the order of the canonical file and hashed on the way. The same inputs give the same bytes in any order of arrival,
on any processor, with any number of threads.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aggregation.blocks import BLOCK_COLUMNS, Row, gather, spans
from aggregation.canonical_file import I64, Buffer, Write
from aggregation.errors import GlobalModelOverflow, InvalidInputs, LayoutMismatch
from aggregation.fixed_point import MODEL_MAGNITUDE_MAX, Int64s, check_magnitude, magnitude
from aggregation.gram import Gram, contributions, duplicates, gram
from aggregation.layouts import model_form, update_form
from aggregation.model_file import ViewDigester
from aggregation.reports import CutReason, Report, ReportRecord, inputs_root
from aggregation.rules import RULES
from aggregation.rules.shape import INPUTS_MAX, AggregationRule
from aggregation.shares import SHARE_ONE, shares
from aggregation.statistics import median
from ledger.blobs import Fate, ModelFacts, ReportFacts
from ledger.encoding import encode
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.quantities import ParticipantId, RoundNumber
from ledger.tasks import Layout, Role, TaskSpec, TensorSpec, rule_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An accepted update, as the round's close froze it."""

    participant: ParticipantId
    weight: int
    blob: Digest
    buffer: Buffer
    """The update file with that digest; the blob store vouches for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides the result."""

    task: TaskSpec
    round: RoundNumber
    layout: Layout
    base: Digest
    base_buffer: Buffer
    """The model file with that digest."""
    inputs: Sequence[Input]
    """In any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a validator attests, and the facts it signs about the two new blobs."""

    model: Digest
    model_facts: ModelFacts
    server_state: Digest
    """Zero: FedAvg keeps none."""
    report: bytes
    report_digest: Digest
    report_facts: ReportFacts


def aggregate(recipe: Recipe, write_model: Write, *, block_columns: int = BLOCK_COLUMNS) -> Outcome:
    """Write the new model file through `write_model` and return what is to be attested.

    Raises InvalidInputs or TooFewUpdates for what the rule cannot take, NotCanonicalFile, LayoutMismatch or
    ValueOutOfRange for a wrong file, GlobalModelOverflow when the result passes its bound; then what has been written
    is to be thrown away.
    """
    layout = recipe.layout
    if layout.digest != recipe.task.layout:
        raise LayoutMismatch("layout of the task", expected=recipe.task.layout.hex(), got=layout.digest.hex())
    inputs = _in_order(recipe.inputs)
    rule = RULES[type(recipe.task.rule)](tuple(item.weight for item in inputs), recipe.task.faulty_max)
    form = update_form(layout)
    rows: list[Row] = [form.open(item.buffer) for item in inputs]
    base = model_form(layout).open(recipe.base_buffer)

    matrix = gram(rows, layout, block_columns=block_columns)
    influence = [0] * len(rows)
    head = model_form(layout).head
    write_model(head)
    model_hash, view = hashlib.sha256(head), ViewDigester(layout)
    for block in _new_blocks(layout, base, rows, rule, influence, block_columns):
        data = block.astype(I64, copy=False).tobytes()
        write_model(data)
        model_hash.update(data)
        view.follow(block)

    model, model_facts = Digest(model_hash.digest()), view.facts()
    report = Report(
        task=recipe.task.name,
        round=recipe.round,
        rule=rule_digest(recipe.task),
        inputs_root=inputs_root([(item.participant, item.blob, item.weight) for item in inputs]),
        base=recipe.base,
        output=model,
        view=model_facts.view,
        records=_records(inputs, matrix, influence, rule),
    )
    data = encode(report)
    return Outcome(
        model=model,
        model_facts=model_facts,
        server_state=ZERO_DIGEST,
        report=data,
        report_digest=sha256(data),
        report_facts=report.facts(),
    )


def _in_order(inputs: Sequence[Input]) -> list[Input]:
    """Return the inputs by participant number; raises InvalidInputs for none, too many, or two of one participant."""
    if not 1 <= len(inputs) <= INPUTS_MAX:
        raise InvalidInputs("number of inputs", expected=f"1 to {INPUTS_MAX}", got=len(inputs))
    ordered = sorted(inputs, key=lambda item: item.participant)
    for earlier, later in pairwise(ordered):
        if earlier.participant == later.participant:
            raise InvalidInputs("inputs of a participant", expected="one", got=f"two of number {later.participant}")
    return ordered


def _new_blocks(
    layout: Layout,
    base: dict[str, Int64s],
    rows: Sequence[Row],
    rule: AggregationRule,
    influence: list[int],
    block_columns: int,
) -> Iterator[Int64s]:
    """Yield the new model in the order of its file, and add up what each input counted over the weights."""
    for tensor in model_form(layout).tensors:
        for span in spans(tensor.elements, block_columns):
            old = check_magnitude(f"base model's {tensor.name}", base[tensor.name][span], MODEL_MAGNITUDE_MAX)
            match tensor.role:
                case Role.WEIGHT:
                    combination = rule.combine(gather(rows, tensor, span), tensor.exponent)
                    influence[:] = [a + b for a, b in zip(influence, combination.influence, strict=True)]
                    yield _step(tensor, old, combination.values)
                case Role.STATISTIC:
                    yield _step(tensor, old, median(gather(rows, tensor, span), tensor.exponent))
                case _:
                    yield old


def _step(tensor: TensorSpec, old: Int64s, change: Int64s) -> Int64s:
    """Return the server step of FedAvg, base plus combination; both are within 2^52, so an int64 holds the sum."""
    new = old + change
    if magnitude(new) > MODEL_MAGNITUDE_MAX:
        raise GlobalModelOverflow(
            f"new model's {tensor.name}", expected=f"at most {MODEL_MAGNITUDE_MAX} in magnitude", got=magnitude(new)
        )
    return new


def _records(
    inputs: Sequence[Input], matrix: Gram, influence: Sequence[int], rule: AggregationRule
) -> tuple[ReportRecord, ...]:
    coefficients = shares(influence)
    contribution = shares(contributions(matrix, coefficients))
    earlier = duplicates(matrix)
    return tuple(
        ReportRecord(
            participant=item.participant,
            blob=item.blob,
            weight=item.weight,
            fate=Fate.USED if influence[place] else Fate.CUT,
            reason=CutReason.NONE if influence[place] else rule.cut_reason,
            coefficient=coefficients[place],
            clip_factor=SHARE_ONE,
            contribution=contribution[place],
            duplicate_of=_number(inputs, earlier[place]),
        )
        for place, item in enumerate(inputs)
    )


def _number(inputs: Sequence[Input], place: int | None) -> ParticipantId:
    return ParticipantId(0) if place is None else inputs[place].participant
