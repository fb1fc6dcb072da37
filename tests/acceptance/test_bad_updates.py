"""Bad updates over the wire: refused by a rule in a proven receipt, or at the participant's side before encoding."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from aggregation.errors import LayoutMismatch, NotFinite, ValueOutOfRange
from aggregation.layouts import TensorTraits, infer_layout
from aggregation.update_file import encode_update
from ledger.encoding import encode
from ledger.entries import Accepted, Receipt, Rejected
from ledger.errors import InputError
from ledger.hashing import sha256
from ledger.keyfile import KeyPurpose, encode_key
from ledger.quantities import RoundNumber
from ledger.tasks import TaskSpec
from participant.consortium import Consortium
from tests.acceptance.network import Network
from tests.acceptance.processes import PATIENCE_SECONDS
from tests.acceptance.training import LAYOUT, NORM_MAX, model_at_bound, new_task, new_update

pytestmark = [
    pytest.mark.processes,
    pytest.mark.usefixtures("unharmed"),
]


@pytest.fixture
def task(network: Network) -> TaskSpec:
    """Return a task whose first round is open to two sites."""
    return network.open_task((0, 1))


def rejected(receipt: Receipt, rule: str) -> tuple[int, ...]:
    """Return what a rule compared."""
    assert isinstance(receipt.verdict, Rejected), receipt
    assert receipt.verdict.rule == rule
    return receipt.verdict.values


def test_an_uninvited_participant_is_refused(network: Network, task: TaskSpec) -> None:
    assert rejected(network.take_part(task, 2), "U4") == (network.sites[2].number,)


def test_an_update_for_another_round_is_refused(network: Network, task: TaskSpec) -> None:
    caller, key = network.callers[0], network.sites[0].key
    body = replace(network.submission(task, sha256(b"")), round=RoundNumber(7))
    assert rejected(caller.judge(key, body), "U3") == (7, 1)


def test_an_update_after_the_close_is_refused(network: Network) -> None:
    caller, site = network.callers[0], network.sites[0]
    model = caller.upload(network.operator(), model_at_bound(), layout=LAYOUT.digest)
    task = network.register(replace(new_task([site.number]), initial_model=model))
    accepted = network.take_part(task, 0)  # beyond the bound: the committee can attest nothing, the round stays closed
    assert isinstance(accepted.verdict, Accepted)
    opened = caller.json(f"/v1/tasks/{task.name}/rounds/1")["round"]
    assert opened["status"] == "closed"
    late = caller.judge(site.key, network.submission(task, sha256(b"late")))
    assert rejected(late, "U5") == (network.callers[0].block(late.height).header.time, opened["deadline"])


def test_a_second_update_is_refused(network: Network, task: TaskSpec) -> None:
    assert isinstance(network.take_part(task, 0).verdict, Accepted)
    rejected(network.take_part(task, 0, node=1), "U7")


def test_an_update_on_another_base_is_refused(network: Network, task: TaskSpec) -> None:
    key = network.sites[0].key
    blob = network.callers[0].upload(key, new_update(), layout=LAYOUT.digest)
    rejected(network.callers[0].judge(key, network.submission(task, blob, base=sha256(b"other"))), "U8")


def test_an_update_that_nobody_holds_is_refused(network: Network, task: TaskSpec) -> None:
    body = network.submission(task, sha256(b"never uploaded"))
    rejected(network.callers[0].judge(network.sites[0].key, body), "U9")


def test_a_model_instead_of_an_update_is_refused(network: Network, task: TaskSpec) -> None:
    body = network.submission(task, task.initial_model)
    rejected(network.callers[0].judge(network.sites[0].key, body), "U10")


def test_an_update_of_another_layout_is_refused(network: Network, task: TaskSpec) -> None:
    caller, key = network.callers[0], network.sites[0].key
    other = infer_layout({"w": TensorTraits(shape=(2,), is_float=True, is_buffer=False)})
    layout = caller.upload(network.operator(), encode(other))
    blob = caller.upload(key, encode_update(other, {"w": np.array([1, 2], np.int32)}), layout=layout)
    rejected(caller.judge(key, network.submission(task, blob)), "U11")


def test_an_update_over_the_norm_bound_is_refused_with_both_numbers(network: Network) -> None:
    caller, site = network.callers[0], network.sites[0]
    task = network.register(replace(new_task([site.number]), norm_max=1))
    blob = caller.upload(site.key, new_update(), layout=LAYOUT.digest)
    norm, bound = rejected(caller.judge(site.key, network.submission(task, blob)), "U12")
    assert bound == 1 < norm <= NORM_MAX


def trained(**tensors: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Return what a site would submit, with some tensors spoilt."""
    return {"w": np.zeros((4, 3), np.float32), "z": np.zeros(3, np.float32), **tensors}


SPOILT: dict[str, tuple[dict[str, NDArray[np.generic]], type[InputError]]] = {
    "NaN": (trained(w=np.full((4, 3), np.nan, np.float32)), NotFinite),
    "infinity in a statistic": (trained(z=np.full(3, np.inf, np.float32)), NotFinite),
    "out of range": (trained(w=np.full((4, 3), 2.0**10, np.float32)), ValueOutOfRange),
    "another shape": (trained(w=np.zeros((3, 4), np.float32)), LayoutMismatch),
    "integers": (trained(w=np.zeros((4, 3), np.int64)), LayoutMismatch),
}


@pytest.mark.parametrize("case", SPOILT)
def test_the_participants_side_refuses_before_anything_is_sent(
    network: Network, task: TaskSpec, tmp_path: Path, case: str
) -> None:
    tensors, kind = SPOILT[case]
    file = tmp_path / "site.key"
    file.touch(mode=0o600)
    file.write_bytes(encode_key(network.sites[0].key, KeyPurpose.PARTICIPANT))
    urls = [validator.url for validator in network.validators]
    with (
        Consortium(nodes=urls, genesis=network.genesis_file, key=file, timeout=PATIENCE_SECONDS) as consortium,
        consortium.task(task.name).round() as round_,
        pytest.raises(kind) as refusal,
    ):
        round_.submit(tensors, num_examples=10)
    assert None not in {refusal.value.expected, refusal.value.got}
    for caller in network.callers:
        did = caller.json(f"/v1/tasks/{task.name}/rounds/1")["participations"][str(network.sites[0].number)]
        assert (did["blob"], did["attempts"], caller.status()["mempool_transactions"]) == (None, 0, 0)
