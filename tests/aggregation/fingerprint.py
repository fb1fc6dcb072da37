"""Prints digests of a fixed aggregation per rule; tests run it under other threads, kernels and instruction sets."""

import json
import sys

import numpy as np

from aggregation.aggregate import Input, Recipe, aggregate
from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX
from aggregation.layouts import model_form, update_form
from ledger.hashing import sha256
from ledger.quantities import ParticipantId, RoundNumber
from ledger.tasks import Layout, Mean, Role, Rule, TensorSpec, TrimmedMean
from tests.aggregation.cases import task

LAYOUT = Layout(
    tensors=(
        TensorSpec(name="bias", shape=(513,), exponent=26, role=Role.WEIGHT),
        TensorSpec(name="mean", shape=(100,), exponent=12, role=Role.STATISTIC),
        TensorSpec(name="weight", shape=(157, 211), exponent=20, role=Role.WEIGHT),
    )
)
COUNT = 11


def values(elements: int, salt: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return integers over the whole range, with ties."""
    mixed = (np.arange(elements, dtype=np.uint64) * np.uint64(2_654_435_761) + np.uint64(salt * 40_503)) >> np.uint64(7)
    return (mixed % np.uint64(2 * UPDATE_MAGNITUDE_MAX + 1)).astype(np.int32) - np.int32(UPDATE_MAGNITUDE_MAX)


def _report_digest(rule: Rule, faulty_max: int, weights: list[int]) -> str:
    form = update_form(LAYOUT)
    inputs = []
    for number, weight in enumerate(weights, start=1):
        row = {tensor.name: values(tensor.elements, salt=number % 9) for tensor in form.tensors}
        file = form.encode(row)
        inputs.append(Input(participant=ParticipantId(number), weight=weight, blob=sha256(file), buffer=file))
    base_form = model_form(LAYOUT)
    base = base_form.encode(
        {tensor.name: values(tensor.elements, salt=99).astype(np.int64) << 20 for tensor in base_form.tensors}
    )
    recipe = Recipe(
        task=task(LAYOUT, rule, faulty_max),
        round=RoundNumber(1),
        layout=LAYOUT,
        base=sha256(base),
        base_buffer=base,
        inputs=inputs,
    )
    return aggregate(recipe, lambda _: None).report_digest.hex()


def fingerprints() -> dict[str, str]:
    return {
        "mean": _report_digest(Mean(), 0, list(range(1, COUNT + 1))),
        "trimmed-mean": _report_digest(TrimmedMean(), 3, [1] * COUNT),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(fingerprints()))
