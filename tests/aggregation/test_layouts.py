"""Layouts: what decoding refuses beyond the type, facts, and inference."""

import pytest
from hypothesis import given, settings

from aggregation.errors import InvalidLayout
from aggregation.layouts import (
    LAYOUT_BYTES_MAX,
    TensorTraits,
    decode_layout,
    infer_layout,
    layout_facts,
    model_form,
    update_tensors,
    view_form,
    weight_tensors,
)
from ledger.blobs import LayoutFacts
from ledger.encoding import encode
from ledger.errors import MalformedEncoding, NonCanonicalEncoding, TooLarge
from ledger.tasks import TENSORS_MAX, Layout, Role, TensorSpec
from tests.aggregation.cases import SMALL, layouts


def weight(name: str, *shape: int, role: Role = Role.WEIGHT) -> TensorSpec:
    return TensorSpec(name=name, shape=shape, exponent=20, role=role)


def encoded(*tensors: TensorSpec) -> bytes:
    return encode(Layout(tensors=tensors))


@given(layouts())
@settings(deadline=None, max_examples=50)
def test_a_layout_survives_the_way_there_and_back(layout: Layout) -> None:
    assert decode_layout(encode(layout)) == layout


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a"), ("a", "B"), ("a", "c", "b")])
def test_names_must_ascend(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidLayout, match="names"):
        decode_layout(encoded(*(weight(name) for name in names)))


@pytest.mark.parametrize("role", [Role.STATISTIC, Role.LOCAL, Role.FROZEN])
def test_something_must_be_learnt(role: Role) -> None:
    with pytest.raises(InvalidLayout, match="weight"):
        decode_layout(encoded(weight("a", role=role)))


def test_too_many_elements_are_refused() -> None:
    with pytest.raises(InvalidLayout, match="elements"):
        decode_layout(encoded(weight("a", 2**31), weight("b")))


def test_the_most_elements_are_accepted() -> None:
    assert decode_layout(encoded(weight("a", 2**31 - 1), weight("b"))).tensors[0].elements == 2**31 - 1


def test_a_layout_whose_files_would_have_too_long_a_header_is_refused() -> None:
    with pytest.raises(InvalidLayout, match="header"):
        decode_layout(encoded(*(weight(f"{number:0128}", 1) for number in range(8_000))))


def test_a_layout_of_very_many_tensors_is_accepted_while_its_header_fits() -> None:
    assert len(decode_layout(encoded(*(weight(f"{number:06}") for number in range(12_000)))).tensors) == 12_000


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ((), "no tensors"),
        ((weight("a", 0),), "an empty side"),
        ((weight("a", 2**31 + 1),), "a long side"),
        ((weight("a", *[1] * 9),), "nine dimensions"),
        ((weight("__a"),), "a reserved name"),
        ((weight("a b"),), "a space in a name"),
        ((weight("a\n"),), "a line feed in a name"),
        ((weight("ä"),), "a name beyond ASCII"),
        ((TensorSpec(name="a", shape=(), exponent=1, role=Role.WEIGHT),), "too coarse a grid"),
        ((TensorSpec(name="a", shape=(), exponent=31, role=Role.WEIGHT),), "too fine a grid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_type_excludes_is_refused(tensors: tuple[TensorSpec, ...], what: str) -> None:
    with pytest.raises(MalformedEncoding):
        decode_layout(encoded(*tensors))
    assert what


def test_another_byte_form_of_a_layout_is_refused() -> None:
    data = encode(SMALL)
    padded = data.replace(b"\x10", b"\xcc\x10", 1)
    assert padded != data
    with pytest.raises(NonCanonicalEncoding):
        decode_layout(padded)


def test_a_huge_layout_is_refused_before_parsing() -> None:
    with pytest.raises(TooLarge):
        decode_layout(bytes(LAYOUT_BYTES_MAX + 1))


def test_the_limit_in_bytes_leaves_room_for_every_layout() -> None:
    longest = TensorSpec(name="n" * 128, shape=(2**31,) * 8, exponent=30, role=Role.FROZEN)
    assert TENSORS_MAX * len(encode(longest)) < LAYOUT_BYTES_MAX


def test_facts_count_the_elements_of_each_role() -> None:
    assert layout_facts(SMALL) == LayoutFacts(
        tensors=5, weight_elements=7, statistic_elements=3, frozen_elements=4, exponent_min=16, exponent_max=30
    )


def test_exponents_of_tensors_outside_updates_do_not_count() -> None:
    frozen = TensorSpec(name="b", shape=(), exponent=2, role=Role.FROZEN)
    local = TensorSpec(name="c", shape=(), exponent=30, role=Role.LOCAL)
    facts = layout_facts(Layout(tensors=(weight("a"), frozen, local)))
    assert (facts.exponent_min, facts.exponent_max) == (20, 20)


def test_updates_hold_weights_and_statistics() -> None:
    assert [tensor.name for tensor in update_tensors(SMALL)] == ["bn.mean", "layer.bias", "layer.weight"]


def test_the_rule_sees_weights_alone() -> None:
    assert [tensor.name for tensor in weight_tensors(SMALL)] == ["layer.bias", "layer.weight"]


def test_model_and_view_also_hold_frozen_tensors_and_nothing_local() -> None:
    expected = ["bn.mean", "embedding", "layer.bias", "layer.weight"]
    assert [tensor.name for tensor in model_form(SMALL).tensors] == expected
    assert [tensor.name for tensor in view_form(SMALL).tensors] == expected


def test_inference_gives_each_tensor_its_role() -> None:
    layout = infer_layout(
        {
            "w": TensorTraits(shape=(2, 3), is_float=True, is_buffer=False),
            "bn.running_mean": TensorTraits(shape=(3,), is_float=True, is_buffer=True),
            "bn.num_batches_tracked": TensorTraits(shape=(), is_float=False, is_buffer=True),
        },
        exponent=24,
    )
    assert [(tensor.name, tensor.role, tensor.exponent) for tensor in layout.tensors] == [
        ("bn.num_batches_tracked", Role.LOCAL, 24),
        ("bn.running_mean", Role.STATISTIC, 24),
        ("w", Role.WEIGHT, 24),
    ]


@pytest.mark.parametrize(
    ("name", "shape", "exponent"), [("a/b", (1,), 20), ("a", (0,), 20), ("a", (1,), 31), ("", (1,), 20)]
)
def test_inference_refuses_what_no_layout_may_have(name: str, shape: tuple[int, ...], exponent: int) -> None:
    with pytest.raises(MalformedEncoding):
        infer_layout({name: TensorTraits(shape=shape, is_float=True, is_buffer=False)}, exponent=exponent)
