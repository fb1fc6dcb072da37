"""Writes aggregation.json, the frozen digests of small aggregations: `python -m tests.vectors.make_aggregation`.

A change of any digest is a change of protocol: a chain that ran the old rules could no longer be replayed.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from aggregation.model_file import import_model, model_facts
from aggregation.update_file import encode_update
from ledger.encoding import encode
from ledger.hashing import sha256
from ledger.tasks import Mean, Rule, TrimmedMean, rule_digest
from tests.aggregation.cases import SMALL, recipe, run
from tests.aggregation.fingerprint import fingerprints

PATH = Path(__file__).with_name("aggregation.json")

ROWS = [
    {"bn.mean": [5, -3, 0], "layer.bias": [1_000_001], "layer.weight": [1, 2, 3, 4, 5, 6]},
    {"bn.mean": [6, -3, 1], "layer.bias": [-4_194_304], "layer.weight": [1, -2, 3, -4, 5, -6]},
    {"bn.mean": [7, -4, 0], "layer.bias": [4_194_304], "layer.weight": [0, 0, 0, 0, 0, 0]},
    {"bn.mean": [5, -3, 0], "layer.bias": [1_000_001], "layer.weight": [1, 2, 3, 4, 5, 6]},
    {"bn.mean": [9, 9, 9], "layer.bias": [7], "layer.weight": [-4_194_304, 4_194_304, 1_048_576, 333, -333, 1]},
]
BASE = {
    "bn.mean": [0.1, -0.2, 0.3],
    "embedding": [1.5, -2.5, 1e-3, 700_000.0],
    "layer.bias": [-1e-9],
    "layer.weight": [0.0, 1.0, -1.0, 0.333, 3.0e-5, -12.75],
}


def vectors() -> dict[str, object]:
    """Return what the file holds."""
    base = import_model(SMALL, {name: np.array(values, dtype=np.float32) for name, values in BASE.items()})
    facts = model_facts(base, SMALL)
    return {
        "layout": SMALL.digest.hex(),
        "base": {"model": sha256(base).hex(), "view": facts.view.hex(), "magnitude_max": facts.magnitude_max},
        "updates": [
            sha256(encode_update(SMALL, {name: np.array(q, dtype=np.int32) for name, q in row.items()})).hex()
            for row in ROWS
        ],
        "mean": _outcome(base, Mean(), 0, [3, 1, 4, 1, 5]),
        "trimmed-mean": _outcome(base, TrimmedMean(), 1, [1] * 5),
        "fingerprints": fingerprints(),
    }


def _outcome(base: bytes, rule: Rule, faulty_max: int, weights: list[int]) -> dict[str, object]:
    prepared = recipe(SMALL, rule, ROWS, faulty_max=faulty_max, weights=weights, numbers=[8, 2, 5, 11, 3])
    prepared = replace(prepared, base=sha256(base), base_buffer=base)
    outcome, _ = run(prepared)
    return {
        "rule": rule_digest(prepared.task).hex(),
        "model": outcome.model.hex(),
        "view": outcome.model_facts.view.hex(),
        "facts": encode(outcome.model_facts).hex(),
        "report": outcome.report.hex(),
        "report_digest": outcome.report_digest.hex(),
    }


def main() -> None:
    """Write the file anew."""
    PATH.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="ascii")
    sys.stdout.write(f"wrote {PATH.name}\n")


if __name__ == "__main__":
    main()
