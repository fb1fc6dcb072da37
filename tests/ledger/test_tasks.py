"""Tasks and layouts: bounds of what a type can check, and what the digests cover."""

import pytest
from msgspec.structs import replace

from ledger.encoding import decode, encode
from ledger.errors import MalformedEncoding
from ledger.hashing import Digest, sha256
from ledger.quantities import ParticipantId
from ledger.tasks import (
    MODES_OF_PRIVACY,
    PRIVACY_PLAIN,
    CappedExamples,
    EqualWeights,
    FedAvg,
    Invitation,
    Layout,
    Mean,
    Role,
    TaskSpec,
    TensorSpec,
    TrimmedMean,
    rule_digest,
)
from tests.ledger.helpers import digest

TENSOR = TensorSpec(name="layer.weight", shape=(3, 4, 5), exponent=24, role=Role.WEIGHT)
TASK = TaskSpec(
    name="task",
    layout=digest("layout"),
    initial_model=digest("model"),
    source=Digest(bytes(32)),
    rule=TrimmedMean(),
    server=FedAvg(),
    weights=EqualWeights(),
    privacy=PRIVACY_PLAIN,
    faulty_max=1,
    norm_max=2**30,
    invited=(Invitation(participant=ParticipantId(1), examples_max=100),),
    updates_min=3,
    deadline_ms=60_000,
    attempt_ms=10_000,
    committee_size=3,
    rounds_max=10,
    retain_rounds=2,
)
RECIPE_CHANGES: dict[str, object] = {
    "layout": digest("other layout"),
    "rule": Mean(),
    "weights": CappedExamples(),
    "privacy": 1,
    "faulty_max": 2,
    "norm_max": 2**29,
}
OTHER_CHANGES: dict[str, object] = {
    "name": "other",
    "initial_model": digest("other model"),
    "source": digest("source"),
    "invited": (),
    "updates_min": 4,
    "deadline_ms": 1,
    "attempt_ms": 1,
    "committee_size": 4,
    "rounds_max": 11,
    "retain_rounds": 3,
}


def tensor(name: object = "w", shape: object = (1,), exponent: object = 2, role: object = 1) -> bytes:
    return encode((name, shape, exponent, role))


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 128, "_x", "-", "a__b"])
def test_tensor_names_of_every_framework_are_read(name: str) -> None:
    assert decode(tensor(name=name), TensorSpec).name == name


@pytest.mark.parametrize("name", ["", "__metadata__", "__", "x" * 129, "a b", "a\n", "ä", "a/b", "a\0"])
def test_other_tensor_names_are_malformed(name: str) -> None:
    with pytest.raises(MalformedEncoding):
        decode(tensor(name=name), TensorSpec)


@pytest.mark.parametrize("exponent", [2, 30])
def test_the_outermost_exponents_are_read(exponent: int) -> None:
    assert decode(tensor(exponent=exponent), TensorSpec).exponent == exponent


@pytest.mark.parametrize("exponent", [0, 1, 31, -2])
def test_an_exponent_beyond_them_is_malformed(exponent: int) -> None:
    with pytest.raises(MalformedEncoding):
        decode(tensor(exponent=exponent), TensorSpec)


@pytest.mark.parametrize("shape", [(0,), (2**31 + 1,), (-1,), (1,) * 9, (1, 0, 1)])
def test_a_shape_with_an_impossible_side_is_malformed(shape: tuple[int, ...]) -> None:
    with pytest.raises(MalformedEncoding):
        decode(tensor(shape=shape), TensorSpec)


@pytest.mark.parametrize(("shape", "expected"), [((), 1), ((7,), 7), ((3, 4, 5), 60), ((2**31,) * 8, 2**248)])
def test_elements_are_counted_exactly(shape: tuple[int, ...], expected: int) -> None:
    assert replace(TENSOR, shape=shape).elements == expected


def test_a_layout_without_tensors_is_malformed() -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode(("quorate-layout-1", ())), Layout)


def test_a_layout_with_too_many_tensors_is_malformed() -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode(Layout(tensors=(TENSOR,) * 16_385)), Layout)


def test_a_layout_is_named_by_the_hash_of_its_bytes() -> None:
    layout = Layout(tensors=(TENSOR,))
    assert layout.digest == sha256(encode(layout))


def test_a_task_is_named_by_the_hash_of_its_bytes() -> None:
    assert TASK.digest == sha256(encode(TASK))


def test_every_field_of_a_task_is_tried_below() -> None:
    assert {*RECIPE_CHANGES, *OTHER_CHANGES, "server"} == set(TaskSpec.__struct_fields__)


@pytest.mark.parametrize("field", RECIPE_CHANGES)
def test_the_rule_digest_covers_the_recipe(field: str) -> None:
    assert rule_digest(replace(TASK, **{field: RECIPE_CHANGES[field]})) != rule_digest(TASK)


@pytest.mark.parametrize("field", OTHER_CHANGES)
def test_the_rule_digest_covers_nothing_else(field: str) -> None:
    changed = replace(TASK, **{field: OTHER_CHANGES[field]})
    assert rule_digest(changed) == rule_digest(TASK)
    assert changed.digest != TASK.digest


def test_plain_is_the_first_mode_of_privacy() -> None:
    assert MODES_OF_PRIVACY[PRIVACY_PLAIN] == "plain"


def test_the_numbers_of_roles_never_change() -> None:
    assert {role.name: role.value for role in Role} == {"WEIGHT": 1, "STATISTIC": 2, "LOCAL": 3, "FROZEN": 4}
