"""What sites train on in these tests: a tiny model, updates drawn from a seed, and tasks."""

from collections.abc import Sequence
from itertools import count

import numpy as np

from aggregation.layouts import TensorTraits, infer_layout
from aggregation.model_file import import_model
from aggregation.update_file import encode_update
from ledger.encoding import encode
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import ParticipantId
from ledger.tasks import PRIVACY_PLAIN, EqualWeights, FedAvg, Invitation, Mean, TaskSpec, TrimmedMean

LAYOUT = infer_layout(
    {
        "w": TensorTraits(shape=(4, 3), is_float=True, is_buffer=False),
        "z": TensorTraits(shape=(3,), is_float=True, is_buffer=True),
    }
)
START = import_model(LAYOUT, {"w": np.linspace(-1, 1, 12, dtype=np.float32), "z": np.zeros(3, np.float32)})
NORM_MAX = 100 * 2**30
_names = count(1)
_seeds = count(1)


def new_update(*, scale: int = 2**16) -> bytes:
    """Return an update file that no test has used."""
    drawn = np.random.default_rng(next(_seeds))
    row = {tensor.name: drawn.integers(-scale, scale, tensor.elements, dtype=np.int32) for tensor in LAYOUT.tensors}
    return encode_update(LAYOUT, row)


def new_task(invited: Sequence[ParticipantId], *, rounds: int = 1) -> TaskSpec:
    """Return a task of a new name; with four invited it tolerates a hostile one."""
    tolerant = len(invited) >= 4
    return TaskSpec(
        name=f"task-{next(_names)}",
        layout=LAYOUT.digest,
        initial_model=sha256(START),
        source=ZERO_DIGEST,
        rule=TrimmedMean() if tolerant else Mean(),
        server=FedAvg(),
        weights=EqualWeights(),
        privacy=PRIVACY_PLAIN,
        faulty_max=1 if tolerant else 0,
        norm_max=NORM_MAX,
        invited=tuple(Invitation(participant=number, examples_max=1_000) for number in sorted(invited)),
        updates_min=3 if tolerant else 1,
        deadline_ms=3_600_000,
        attempt_ms=600_000,
        committee_size=3,
        rounds_max=rounds,
        retain_rounds=100,
    )


def model_at_bound() -> bytes:
    """Return a model whose weights are as large as a model's may be."""
    return import_model(LAYOUT, {"w": np.full(12, 2.0**20, np.float32), "z": np.zeros(3, np.float32)})


def blobs_of_a_task() -> tuple[bytes, bytes]:
    """Return the files that must be recorded before a task can be registered."""
    return encode(LAYOUT), START
