"""The whole way from inputs to model and report, against the oracle and against itself in other orders."""

import mmap
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.aggregate import Input, Outcome, Recipe, aggregate
from aggregation.blocks import BLOCK_COLUMNS
from aggregation.errors import GlobalModelOverflow
from aggregation.fixed_point import MODEL_MAGNITUDE_MAX, UPDATE_MAGNITUDE_MAX
from aggregation.layouts import model_form, update_form
from aggregation.model_file import model_facts, read_model
from aggregation.reports import CutReason, Report, report_facts
from aggregation.update_file import read_update
from ledger import merkle
from ledger.blobs import Fate
from ledger.encoding import decode, encode
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import ParticipantId, RoundNumber
from ledger.tasks import Mean, Role, TrimmedMean, rule_digest
from tests.aggregation import oracle
from tests.aggregation.cases import SMALL, one_weight, recipe, recipes, run, task, zero_model, zero_row


def report_of(outcome: Outcome) -> Report:
    return decode(outcome.report, Report)


def in_order(prepared: Recipe) -> list[Input]:
    return sorted(prepared.inputs, key=lambda item: item.participant)


def expected_model(prepared: Recipe) -> dict[str, list[int]]:
    inputs = in_order(prepared)
    rows = [
        {name: values.tolist() for name, values in read_update(item.buffer, prepared.layout).items()} for item in inputs
    ]
    model = {name: values.tolist() for name, values in read_model(prepared.base_buffer, prepared.layout).items()}
    for tensor in prepared.layout.tensors:
        if tensor.role not in (Role.WEIGHT, Role.STATISTIC):
            continue
        for place, column in enumerate(oracle.columns(rows, tensor.name)):
            if tensor.role is Role.STATISTIC:
                change = oracle.median(column)
            elif isinstance(prepared.task.rule, Mean):
                change = oracle.weighted_mean(column, [item.weight for item in inputs])
            else:
                change = oracle.trimmed_mean(column, prepared.task.faulty_max)
            model[tensor.name][place] += oracle.at_model_scale(change, tensor.exponent)
    return model


@given(recipes(), st.integers(1, 5))
@settings(deadline=None, max_examples=150)
def test_the_model_agrees_with_the_oracle(prepared: Recipe, block_columns: int) -> None:
    outcome, written = run(prepared, block_columns)
    assert written == oracle.file_bytes(model_form(prepared.layout).tensors, "I64", 8, expected_model(prepared))
    assert outcome.model == sha256(written)
    assert outcome.model_facts == model_facts(written, prepared.layout)
    assert outcome.server_state == ZERO_DIGEST


@given(recipes())
@settings(deadline=None, max_examples=100)
def test_the_report_agrees_with_the_oracle(prepared: Recipe) -> None:
    outcome, written = run(prepared)
    report, inputs = report_of(outcome), in_order(prepared)
    rows = [
        {name: values.tolist() for name, values in read_update(item.buffer, prepared.layout).items()} for item in inputs
    ]
    influence = [0] * len(rows)
    for tensor in prepared.layout.tensors:
        for column in oracle.columns(rows, tensor.name) if tensor.role is Role.WEIGHT else ():
            if isinstance(prepared.task.rule, Mean):
                influence = [total + item.weight for total, item in zip(influence, inputs, strict=True)]
            for place in oracle.kept_by_trimming(column, prepared.task.faulty_max):
                influence[place] += isinstance(prepared.task.rule, TrimmedMean)
    coefficients = oracle.shares(influence)
    matrix = oracle.gram(rows, prepared.layout)
    products = [sum(c * g for c, g in zip(coefficients, line, strict=True)) for line in matrix]
    weights = [tensor.name for tensor in prepared.layout.tensors if tensor.role is Role.WEIGHT]
    seen = [[row[name] for name in weights] for row in rows]

    assert [record.participant for record in report.records] == [item.participant for item in inputs]
    assert [record.weight for record in report.records] == [item.weight for item in inputs]
    assert [record.blob for record in report.records] == [item.blob for item in inputs]
    assert [record.coefficient for record in report.records] == coefficients
    assert [record.fate for record in report.records] == [Fate.USED if part else Fate.CUT for part in influence]
    assert {record.clip_factor for record in report.records} == {2**30}
    assert [record.contribution for record in report.records] == oracle.shares([max(0, p) for p in products])
    assert [record.duplicate_of for record in report.records] == [
        inputs[seen.index(row)].participant if seen.index(row) < place else 0 for place, row in enumerate(seen)
    ]
    assert (report.output, report.view) == (sha256(written), outcome.model_facts.view)
    assert outcome.report_digest == sha256(outcome.report)
    assert outcome.report_facts == report_facts(outcome.report)


@given(st.data(), recipes(), st.integers(1, 9))
@settings(deadline=None, max_examples=75)
def test_neither_order_of_arrival_nor_block_size_changes_a_byte(
    data: st.DataObject, prepared: Recipe, block_columns: int
) -> None:
    shuffled = replace(prepared, inputs=data.draw(st.permutations(prepared.inputs)))
    assert run(shuffled, block_columns) == run(prepared)


def test_the_report_names_the_recipe() -> None:
    rows = [{"w": [1, 2]}, {"w": [3, 4]}]
    prepared = recipe(one_weight(2), Mean(), rows, weights=[2, 3], numbers=[9, 4])
    report = report_of(run(prepared)[0])
    leaves = [encode((4, prepared.inputs[1].blob, 3)), encode((9, prepared.inputs[0].blob, 2))]
    assert (report.task, report.round, report.base) == ("sepsis", 7, prepared.base)
    assert report.rule == rule_digest(prepared.task)
    assert report.inputs_root == merkle.root(leaves)


def test_an_input_that_is_trimmed_everywhere_is_cut_with_its_reason() -> None:
    rows = [{"w": [1, 2]}, {"w": [2, 3]}, {"w": [9, 9]}]
    records = report_of(run(recipe(one_weight(2), TrimmedMean(), rows, faulty_max=1))[0]).records
    assert [(record.fate, record.reason) for record in records] == [
        (Fate.CUT, CutReason.ALL_TRIMMED),
        (Fate.USED, CutReason.NONE),
        (Fate.CUT, CutReason.ALL_TRIMMED),
    ]


def test_an_input_without_weight_is_cut_with_its_reason() -> None:
    records = report_of(run(recipe(one_weight(1), Mean(), [{"w": [1]}, {"w": [5]}], weights=[0, 1]))[0]).records
    assert [(record.fate, record.reason) for record in records] == [
        (Fate.CUT, CutReason.NO_WEIGHT),
        (Fate.USED, CutReason.NONE),
    ]


def test_frozen_tensors_are_copied_and_statistics_take_the_median() -> None:
    base = zero_model(SMALL) | {"embedding": [1, -2, 3, -4]}
    rows = [{name: values.tolist() for name, values in zero_row(SMALL).items()} for _ in range(3)]
    for value, row in zip((1, 900, 2), rows, strict=True):
        row["bn.mean"] = [value] * 3
    model = read_model(run(recipe(SMALL, Mean(), rows, base=base))[1], SMALL)
    assert model["embedding"].tolist() == [1, -2, 3, -4]
    assert model["bn.mean"].tolist() == [2 << 16] * 3


@pytest.mark.parametrize("sign", [1, -1])
def test_a_model_beyond_its_bound_is_refused(sign: int) -> None:
    base = {"w": [0, sign * (MODEL_MAGNITUDE_MAX - 4095)]}
    with pytest.raises(GlobalModelOverflow, match="new model's w"):
        run(recipe(one_weight(2), Mean(), [{"w": [0, sign]}], base=base))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_model_at_its_bound_is_made(sign: int) -> None:
    base = {"w": [0, sign * (MODEL_MAGNITUDE_MAX - 4096)]}
    outcome, _ = run(recipe(one_weight(2), Mean(), [{"w": [0, sign]}], base=base))
    assert outcome.model_facts.magnitude_max == MODEL_MAGNITUDE_MAX


def test_updates_are_read_in_place_from_mapped_files_and_let_go(tmp_path: Path) -> None:
    prepared = recipe(one_weight(5), TrimmedMean(), [{"w": [n, -n, 3, 4, n * n]} for n in range(5)], faulty_max=2)
    maps, views = [], []
    for item in prepared.inputs:
        path = tmp_path / item.blob.hex()
        path.write_bytes(item.buffer)
        with path.open("rb") as file:
            maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        views.append(memoryview(maps[-1]))
    mapped = [replace(item, buffer=view) for item, view in zip(prepared.inputs, views, strict=True)]
    assert run(replace(prepared, inputs=mapped)) == run(prepared)
    for view, opened in zip(views, maps, strict=True):
        view.release()  # raises while an array still looks into it
        opened.close()


def test_extra_memory_is_a_few_blocks_and_not_the_model() -> None:
    elements = 160 * BLOCK_COLUMNS
    layout = one_weight(elements)
    file = update_form(layout).encode({"w": np.arange(elements, dtype=np.int32) % UPDATE_MAGNITUDE_MAX})
    base = model_form(layout).encode({"w": np.zeros(elements, dtype=np.int64)})
    prepared = Recipe(
        task=task(layout, TrimmedMean(), faulty_max=3),
        round=RoundNumber(1),
        layout=layout,
        base=sha256(base),
        base_buffer=base,
        inputs=[Input(participant=ParticipantId(n), weight=1, blob=sha256(file), buffer=file) for n in range(1, 8)],
    )
    tracemalloc.start()
    try:
        aggregate(prepared, lambda _: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2**20 < len(file) < len(base)
