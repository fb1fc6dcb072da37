"""From trained weights to an update file: what goes in, what is refused, what rounding leaves over."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aggregation.errors import LayoutMismatch, NotFinite, ValueOutOfRange
from aggregation.fixed_point import view_of
from aggregation.layouts import update_tensors, view_form
from aggregation.model_file import model_facts, read_model, write_view
from aggregation.update_file import norm_squared, read_update, update_facts
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import Height, ModelVersion, RoundNumber
from ledger.records import GlobalModelRecord
from ledger.tasks import Role
from participant.global_model import GlobalModel
from participant.preparation import PreparedTask, prepare_task
from participant.updates import encode_trained

STEP = 2.0**-20


def prepared() -> PreparedTask:
    tensors = {
        "body.w": np.array([[0.5, -0.25, 0.0], [1.0, 2.0, -3.0]], np.float32),
        "head.w": np.array([0.125], np.float32),
        "norm.running_mean": np.array([1.0, 1.0], np.float32),
        "norm.count": np.array(3),
    }
    return prepare_task(tensors, roles={"head.w": Role.FROZEN})


def base() -> GlobalModel:
    """Return the initial model as a site would hold it."""
    task = prepared()
    facts = model_facts(task.model_data, task.layout)
    parts: list[bytes] = []
    assert write_view(task.model_data, task.layout, parts.append) == facts.view
    view = b"".join(parts)
    record = GlobalModelRecord(
        task="cardio",
        version=ModelVersion(0),
        round=RoundNumber(0),
        height=Height(1),
        base=ZERO_DIGEST,
        model=sha256(task.model_data),
        view=sha256(view),
        server_state=ZERO_DIGEST,
        report=ZERO_DIGEST,
        inputs_root=ZERO_DIGEST,
        rule=ZERO_DIGEST,
        attesters=(),
    )
    return GlobalModel(record=record, layout=task.layout, view=view)


def trained(**changes: Any) -> dict[str, Any]:
    """Return the base's own tensors, some of them changed; None leaves one out."""
    tensors: dict[str, Any] = {**base().arrays(), "norm.count": np.array(4)}
    tensors |= {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in tensors.items() if value is not None}


def row_of(tensors: dict[str, Any], *, norm_max: int | None = None) -> dict[str, NDArray[np.int32]]:
    update = encode_trained(base(), tensors, residue=None, norm_max=norm_max)
    return read_update(update.data, base().layout)


def test_the_view_is_the_model_rounded_once() -> None:
    task, model = prepared(), base()
    integers = read_model(task.model_data, task.layout)
    assert sha256(model.view) == model.record.view
    assert len(model.view) == view_form(task.layout).size
    for name, array in model.arrays().items():
        assert array.reshape(-1).tolist() == view_of(integers[name]).tolist()


def test_nothing_trained_is_an_update_of_zeros() -> None:
    assert all(not values.any() for values in row_of(trained()).values())


def test_the_delta_is_in_steps_of_the_grid() -> None:
    moved = base().arrays()["body.w"] + np.float32(5 * STEP)
    row = row_of(trained(body__w=moved))
    assert set(row) == {"body.w", "norm.running_mean"}, "frozen and local tensors are in no update"
    assert row["body.w"].tolist() == [5] * 6


def test_tensors_of_torch_give_the_same_bytes() -> None:
    plain = trained(body__w=base().arrays()["body.w"] + np.float32(0.5))
    as_torch = {name: torch.from_numpy(np.array(value)) for name, value in plain.items()}
    one = encode_trained(base(), plain, residue=None, norm_max=None)
    other = encode_trained(base(), as_torch, residue=None, norm_max=None)
    assert one.data == other.data


def test_float64_is_not_rounded_to_float32_on_the_way() -> None:
    fine = base().arrays()["body.w"].astype(np.float64) + 0.75 * STEP + 2.0**-40
    assert row_of(trained(body__w=fine))["body.w"].tolist() == [1] * 6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["body.w", "norm.running_mean"])
def test_what_is_not_finite_is_refused_by_name(name: str, value: float) -> None:
    broken = base().arrays()[name].copy()
    broken.reshape(-1)[-1] = value
    with pytest.raises(NotFinite, match=name):
        row_of({**trained(), name: broken})


@pytest.mark.parametrize("value", [4.5, -4.5, 1e30])
def test_what_is_out_of_range_is_refused_by_name(value: float) -> None:
    with pytest.raises(ValueOutOfRange, match=r"body\.w.*at most 4 in magnitude"):
        row_of(trained(body__w=base().arrays()["body.w"] + np.float32(value)), norm_max=1)


def test_the_ends_of_the_range_are_in_it() -> None:
    wide = base().arrays()["body.w"].astype(np.float64) + np.array([[4.0, -4.0, 0], [0, 0, 0]])
    assert row_of(trained(body__w=wide))["body.w"].tolist()[:2] == [2**22, -(2**22)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"body__w": None}, r"tensor body\.w: expected shape \(2, 3\), got none"),
        ({"norm__running_mean": None}, r"norm\.running_mean"),
        ({"body__w": np.zeros((3, 2), np.float32)}, r"body\.w: expected shape \(2, 3\), got shape \(3, 2\)"),
        ({"body__w": np.zeros(6, np.float32)}, r"body\.w: expected shape \(2, 3\), got shape \(6,\)"),
        ({"body__w": np.zeros((2, 3), np.int32)}, r"elements of body\.w: expected floats"),
        ({"body__w": [0.0] * 6}, r"body\.w: expected a torch or numpy tensor, got list"),
        ({"extra": np.zeros(1)}, "expected those of the task's layout, got 'extra'"),
        ({"extra\u202e": np.zeros(1)}, r"got 'extra\\u202e'"),
    ],
)
def test_other_tensors_than_the_layouts_are_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(LayoutMismatch, match=words):
        row_of(trained(**changes))


def test_local_and_frozen_tensors_may_be_left_out() -> None:
    assert row_of(trained(norm__count=None, head__w=None))


def test_an_update_is_clipped_to_the_bound_and_statistics_are_not() -> None:
    moved = trained(
        body__w=base().arrays()["body.w"] + np.float32(2), norm__running_mean=np.array([3.0, 3.0], np.float32)
    )
    row = row_of(moved, norm_max=2**30)
    assert norm_squared(row, base().layout) <= 2**60
    assert row["norm.running_mean"].tolist() == [2 * 2**20] * 2
    assert row_of(moved)["body.w"].tolist() == [2 * 2**20] * 6


def test_what_is_sent_has_the_facts_that_validators_will_state() -> None:
    update = encode_trained(base(), trained(), residue=None, norm_max=2**30)
    facts = update_facts(update.data, base().layout)
    assert (facts.layout, facts.norm_squared, facts.value_max) == (base().layout.digest, b"", 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(min_value=-3 * STEP, max_value=3 * STEP), min_size=1, max_size=12))
def test_carried_residues_keep_the_sum_of_all_rounds_within_half_a_step(moves: list[float]) -> None:
    start, residue, sent = base(), None, 0
    for move in moves:
        moved = trained(body__w=start.arrays()["body.w"].astype(np.float64) + move)
        update = encode_trained(start, moved, residue=residue, norm_max=None)
        sent += int(read_update(update.data, start.layout)["body.w"][0])
        residue = update.residue
    assert abs(sent * STEP - sum(moves)) <= STEP / 2 + 1e-12


def test_a_residue_has_every_tensor_of_an_update() -> None:
    update = encode_trained(base(), trained(), residue=None, norm_max=None)
    assert update.residue is not None
    assert set(update.residue) == {tensor.name for tensor in update_tensors(base().layout)}
