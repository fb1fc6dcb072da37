"""Layouts, updates and tasks for tests: fixed ones, and strategies for generated ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from aggregation.aggregate import Input, Outcome, Recipe, aggregate
from aggregation.blocks import BLOCK_COLUMNS
from aggregation.fixed_point import MODEL_EXPONENT, MODEL_MAGNITUDE_MAX, UPDATE_MAGNITUDE_MAX, Int32s
from aggregation.layouts import model_form, update_tensors
from aggregation.model_file import encode_model
from aggregation.update_file import encode_update
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import ParticipantId, RoundNumber
from ledger.tasks import EqualWeights, FedAvg, Layout, Mean, Role, Rule, TaskSpec, TensorSpec, TrimmedMean

IntegerRow = dict[str, list[int]]

SMALL = Layout(
    tensors=(
        TensorSpec(name="bn.mean", shape=(3,), exponent=16, role=Role.STATISTIC),
        TensorSpec(name="bn.steps", shape=(), exponent=20, role=Role.LOCAL),
        TensorSpec(name="embedding", shape=(2, 2), exponent=20, role=Role.FROZEN),
        TensorSpec(name="layer.bias", shape=(), exponent=30, role=Role.WEIGHT),
        TensorSpec(name="layer.weight", shape=(2, 3), exponent=20, role=Role.WEIGHT),
    )
)
"""One tensor of each role, a scalar among them."""


def task(layout: Layout, rule: Rule, faulty_max: int = 0) -> TaskSpec:
    return TaskSpec(
        name="sepsis",
        layout=layout.digest,
        initial_model=ZERO_DIGEST,
        source=ZERO_DIGEST,
        rule=rule,
        server=FedAvg(),
        weights=EqualWeights(),
        privacy=0,
        faulty_max=faulty_max,
        norm_max=2**40,
        invited=(),
        updates_min=1,
        deadline_ms=1,
        attempt_ms=1,
        committee_size=3,
        rounds_max=1,
        retain_rounds=1,
    )


def arrays(values: Mapping[str, Sequence[int]], kind: type[np.signedinteger[Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.array(numbers, dtype=kind) for name, numbers in values.items()}


def zero_row(layout: Layout) -> dict[str, Int32s]:
    return {tensor.name: np.zeros(tensor.elements, dtype=np.int32) for tensor in update_tensors(layout)}


def zero_model(layout: Layout) -> IntegerRow:
    return {tensor.name: [0] * tensor.elements for tensor in model_form(layout).tensors}


def recipe(
    layout: Layout,
    rule: Rule,
    rows: Sequence[IntegerRow],
    *,
    base: IntegerRow | None = None,
    faulty_max: int = 0,
    weights: Sequence[int] | None = None,
    numbers: Sequence[int] | None = None,
) -> Recipe:
    """Return a recipe over rows of plain integers; participants count from 1 unless `numbers` says otherwise."""
    base_file = encode_model(layout, arrays(base or zero_model(layout), np.int64))
    inputs = []
    for place, row in enumerate(rows):
        file = encode_update(layout, arrays(row, np.int32))
        number = place + 1 if numbers is None else numbers[place]
        weight = 1 if weights is None else weights[place]
        inputs.append(Input(participant=ParticipantId(number), weight=weight, blob=sha256(file), buffer=file))
    return Recipe(
        task=task(layout, rule, faulty_max),
        round=RoundNumber(7),
        layout=layout,
        base=sha256(base_file),
        base_buffer=base_file,
        inputs=inputs,
    )


def run(prepared: Recipe, block_columns: int = BLOCK_COLUMNS) -> tuple[Outcome, bytes]:
    """Return the outcome and the model file that was written."""
    chunks: list[bytes] = []
    outcome = aggregate(prepared, chunks.append, block_columns=block_columns)
    return outcome, b"".join(chunks)


def one_weight(elements: int, exponent: int = 20) -> Layout:
    return Layout(tensors=(TensorSpec(name="w", shape=(elements,), exponent=exponent, role=Role.WEIGHT),))


names = st.from_regex(r"\A(?!__)[A-Za-z0-9._-]{1,12}\Z")
shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
exponents = st.integers(2, 30)
quantised = st.one_of(
    st.integers(-UPDATE_MAGNITUDE_MAX, UPDATE_MAGNITUDE_MAX),
    st.integers(-2, 2),
    st.sampled_from([-UPDATE_MAGNITUDE_MAX, UPDATE_MAGNITUDE_MAX]),
)
"""Update integers, with many ties and extremes."""


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    chosen = sorted(draw(st.sets(names, min_size=1, max_size=4)), key=str.encode)
    first = draw(st.integers(0, len(chosen) - 1))
    tensors = [
        TensorSpec(
            name=name,
            shape=draw(shapes),
            exponent=draw(exponents),
            role=Role.WEIGHT if place == first else draw(st.sampled_from(Role)),
        )
        for place, name in enumerate(chosen)
    ]
    return Layout(tensors=tuple(tensors))


@st.composite
def integer_rows(draw: st.DrawFn, layout: Layout, count: int) -> list[IntegerRow]:
    return [
        {
            tensor.name: draw(st.lists(quantised, min_size=tensor.elements, max_size=tensor.elements))
            for tensor in update_tensors(layout)
        }
        for _ in range(count)
    ]


@st.composite
def models(draw: st.DrawFn, layout: Layout, *, room_for_update: bool = False) -> IntegerRow:
    """Draw a model's integers, on request such that no update takes them over the bound."""
    model = {}
    for tensor in model_form(layout).tensors:
        change = UPDATE_MAGNITUDE_MAX << (MODEL_EXPONENT - tensor.exponent) if room_for_update else 0
        numbers = st.integers(change - MODEL_MAGNITUDE_MAX, MODEL_MAGNITUDE_MAX - change)
        model[tensor.name] = draw(st.lists(numbers, min_size=tensor.elements, max_size=tensor.elements))
    return model


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Draw a whole aggregation: any layout, up to nine inputs in any order, either rule."""
    layout = draw(layouts())
    count = draw(st.integers(1, 9))
    rows = draw(integer_rows(layout, count))
    numbers = draw(st.lists(st.integers(1, 10_000), min_size=count, max_size=count, unique=True))
    base = draw(models(layout, room_for_update=True))
    if draw(st.booleans()):
        return recipe(
            layout,
            TrimmedMean(),
            rows,
            base=base,
            faulty_max=draw(st.integers(0, (count - 1) // 2)),
            numbers=numbers,
        )
    weight = st.one_of(st.integers(0, 5), st.integers(1, (2**32 - 1) // count))
    weights = draw(st.lists(weight, min_size=count, max_size=count).filter(any))
    return recipe(layout, Mean(), rows, base=base, weights=weights, numbers=numbers)
