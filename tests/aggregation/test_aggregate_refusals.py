"""What `aggregate` refuses rather than attest."""

from dataclasses import replace

import numpy as np
import pytest

from aggregation.aggregate import Input
from aggregation.errors import InvalidInputs, LayoutMismatch, NotCanonicalFile, TooFewUpdates, ValueOutOfRange
from aggregation.layouts import model_form, update_form
from ledger.hashing import Digest
from ledger.quantities import ParticipantId
from ledger.tasks import Mean, TrimmedMean
from tests.aggregation.cases import SMALL, one_weight, recipe, run, zero_row


def test_a_layout_other_than_the_tasks_is_refused() -> None:
    prepared = recipe(one_weight(2), Mean(), [{"w": [1, 2]}])
    with pytest.raises(LayoutMismatch):
        run(replace(prepared, layout=one_weight(2, exponent=21)))


def test_two_inputs_of_one_participant_are_refused() -> None:
    with pytest.raises(InvalidInputs, match="number 3"):
        run(recipe(one_weight(1), Mean(), [{"w": [1]}, {"w": [2]}], numbers=[3, 3]))


def test_no_inputs_are_refused() -> None:
    with pytest.raises(InvalidInputs):
        run(recipe(one_weight(1), Mean(), []))


def test_more_inputs_than_the_arithmetic_is_proved_for_are_refused() -> None:
    prepared = recipe(one_weight(1), Mean(), [{"w": [1]}])
    many = [replace(prepared.inputs[0], participant=ParticipantId(n)) for n in range(1, 1_026)]
    with pytest.raises(InvalidInputs, match="1 to 1024"):
        run(replace(prepared, inputs=many))


def test_too_few_inputs_for_the_tasks_b_are_refused() -> None:
    with pytest.raises(TooFewUpdates):
        run(recipe(one_weight(1), TrimmedMean(), [{"w": [1]}, {"w": [2]}], faulty_max=1))


@pytest.mark.parametrize("name", ["bn.mean", "layer.bias"])
def test_an_update_out_of_range_is_refused_whatever_its_facts_said(name: str) -> None:
    prepared = recipe(SMALL, Mean(), [])
    row = zero_row(SMALL)
    row[name][0] = -(2**31)
    hostile = Input(
        participant=ParticipantId(1), weight=1, blob=Digest(bytes(32)), buffer=update_form(SMALL).encode(row)
    )
    with pytest.raises(ValueOutOfRange, match=name):
        run(replace(prepared, inputs=[hostile]))


def test_a_base_out_of_range_is_refused_rather_than_wrapped_around() -> None:
    prepared = recipe(one_weight(1), Mean(), [{"w": [1]}])
    hostile = model_form(prepared.layout).encode({"w": np.array([2**63 - 1])})
    with pytest.raises(ValueOutOfRange, match="base"):
        run(replace(prepared, base_buffer=hostile))


def test_a_truncated_update_is_refused() -> None:
    prepared = recipe(one_weight(2), Mean(), [{"w": [1, 2]}])
    short = replace(prepared.inputs[0], buffer=prepared.inputs[0].buffer[:-1])
    with pytest.raises(NotCanonicalFile):
        run(replace(prepared, inputs=[short]))
