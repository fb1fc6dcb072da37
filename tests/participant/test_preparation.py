"""Layouts and initial models from modules and from plain tensors."""

import numpy as np
import pytest
import torch

from aggregation.errors import InvalidLayout, LayoutMismatch, NotFinite
from aggregation.layouts import decode_layout
from aggregation.model_file import model_facts, read_model
from ledger.errors import InputError
from ledger.tasks import Role
from participant.global_model import GlobalModel
from participant.preparation import PreparedTask, prepare_task
from tests.participant.served import Net, seeded_net
from tests.participant.test_updates import base


def roles_of(task: PreparedTask) -> dict[str, Role]:
    return {tensor.name: tensor.role for tensor in task.layout.tensors}


def test_a_module_says_what_its_tensors_are() -> None:
    assert roles_of(prepare_task(seeded_net())) == {
        "first.bias": Role.WEIGHT,
        "first.weight": Role.WEIGHT,
        "last.bias": Role.FROZEN,
        "last.weight": Role.WEIGHT,
        "norm.bias": Role.WEIGHT,
        "norm.num_batches_tracked": Role.LOCAL,
        "norm.running_mean": Role.STATISTIC,
        "norm.running_var": Role.STATISTIC,
        "norm.weight": Role.WEIGHT,
    }


def test_a_state_dict_gives_the_same_but_for_what_is_frozen() -> None:
    of_module, of_tensors = prepare_task(seeded_net()), prepare_task(seeded_net().state_dict())
    assert roles_of(of_tensors) == {**roles_of(of_module), "last.bias": Role.WEIGHT}
    again = prepare_task(seeded_net().state_dict(), roles={"last.bias": Role.FROZEN})
    assert (again.layout_data, again.model_data) == (of_module.layout_data, of_module.model_data)


def test_tied_parameters_are_named_twice() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2, bias=False))
    module[1].weight = module[0].weight
    assert roles_of(prepare_task(module)) == {"0.weight": Role.WEIGHT, "1.weight": Role.WEIGHT}


def test_the_blobs_are_canonical_and_fit_each_other() -> None:
    task = prepare_task(seeded_net())
    assert decode_layout(task.layout_data) == task.layout
    assert model_facts(task.model_data, task.layout).layout == task.layout.digest
    assert "norm.num_batches_tracked" not in read_model(task.model_data, task.layout)


def test_exponents_go_by_tensor() -> None:
    task = prepare_task(seeded_net(), exponent=18, exponents={"norm.bias": 26})
    assert {tensor.name: tensor.exponent for tensor in task.layout.tensors if tensor.exponent != 18} == {
        "norm.bias": 26
    }


def test_float64_is_rounded_to_what_sites_load() -> None:
    task = prepare_task({"w": np.array([0.1])})
    assert read_model(task.model_data, task.layout)["w"].tolist() == [round(float(np.float32(0.1)) * 2**32)]


@pytest.mark.parametrize("named", [{"roles": {"x": Role.LOCAL}}, {"exponents": {"x": 20}}])
def test_a_choice_for_an_unknown_tensor_is_refused(named: dict[str, dict[str, int]]) -> None:
    with pytest.raises(InvalidLayout, match="got x"):
        prepare_task({"w": np.zeros(1)}, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("exponent", [1, 31])
def test_a_grid_that_no_layout_may_have_is_refused(exponent: int) -> None:
    with pytest.raises(InputError, match="exponent"):
        prepare_task({"w": np.zeros(1)}, exponent=exponent)


def test_integers_can_only_be_local() -> None:
    with pytest.raises(LayoutMismatch, match="tensor n: expected floats, to have another role than local, got int64"):
        prepare_task({"w": np.zeros(1), "n": np.zeros(1, np.int64)}, roles={"n": Role.FROZEN})
    task = prepare_task({"w": np.zeros(1), "n": np.zeros(1, np.int64)}, roles={"n": Role.LOCAL})
    assert roles_of(task)["n"] is Role.LOCAL


@pytest.mark.parametrize("value", [np.nan, 1e39])
def test_a_model_that_is_not_finite_in_float32_is_refused(value: float) -> None:
    with pytest.raises(NotFinite, match="w"):
        prepare_task({"w": np.array([value])})


def test_a_model_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(InvalidLayout, match="role weight"):
        prepare_task({"n": np.zeros(1, np.int64)})


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(LayoutMismatch, match="_extra_state"):
        prepare_task({"w": np.zeros(1), "_extra_state": {"a": 1}})


# Loading into a module


def module_for(model: GlobalModel) -> torch.nn.Module:
    module = torch.nn.Module()
    for name, array in model.arrays().items():
        owner, _, last = name.rpartition(".")
        if owner not in dict(module.named_children()):
            module.add_module(owner, torch.nn.Module())
        module.get_submodule(owner).register_parameter(last, torch.nn.Parameter(torch.full(array.shape, 9.0)))
    return module


def test_a_global_model_is_loaded_in_place() -> None:
    module = module_for(base())
    before = module.get_parameter("body.w")
    base().load_into(module)
    assert module.get_parameter("body.w") is before
    assert before.tolist() == base().arrays()["body.w"].tolist()
    assert before.requires_grad


def test_narrow_modules_are_loaded_too() -> None:
    module = module_for(base()).to(torch.bfloat16)
    base().load_into(module)
    assert module.get_parameter("body.w").dtype is torch.bfloat16
    assert module.get_parameter("body.w").tolist() == base().arrays()["body.w"].tolist()


def test_another_module_is_refused_before_anything_is_copied() -> None:
    module = module_for(base())
    module.get_submodule("norm").running_mean = torch.nn.Parameter(torch.zeros(3))
    with pytest.raises(LayoutMismatch, match=r"norm\.running_mean of the module: expected shape \(2,\)"):
        base().load_into(module)
    assert module.get_parameter("body.w").tolist() == [[9.0] * 3] * 2
    with pytest.raises(LayoutMismatch, match="got none"):
        base().load_into(Net())
