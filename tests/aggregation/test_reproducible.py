"""The same bytes with any number of threads, any BLAS kernel and any instruction set that this processor has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINGERPRINTS = json.loads((ROOT / "tests/vectors/aggregation.json").read_bytes())["fingerprints"]

SURROUNDINGS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "one thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    "kernels of 2008": {"OPENBLAS_CORETYPE": "Nehalem"},
    "kernels of 2013": {"OPENBLAS_CORETYPE": "Haswell"},
    "no vector extensions": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
    "another hash seed": {"PYTHONHASHSEED": "12345"},
}


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_digests_are_the_same(what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.aggregation.fingerprint"],
        cwd=ROOT,
        env=os.environ | SURROUNDINGS[what],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == FINGERPRINTS
