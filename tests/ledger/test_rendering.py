"""Rendering: every noun becomes plain JSON, with names for fields, kinds and enumerations."""

import json

import pytest
from hypothesis import given

from ledger.blobs import Fate, FateRecord
from ledger.encoding import Noun
from ledger.entries import Accepted, TaskFinished
from ledger.quantities import ParticipantId
from ledger.rendering import plain
from tests.ledger.helpers import digest, genesis, key
from tests.ledger.strategies import any_noun, trying


@trying(200)
@given(any_noun())
def test_every_noun_becomes_json_and_back(value: Noun) -> None:
    rendered = plain(value)
    assert json.loads(json.dumps(rendered)) == rendered


@trying(200)
@given(any_noun())
def test_every_field_is_there_under_its_name(value: Noun) -> None:
    rendered = plain(value)
    assert isinstance(rendered, dict)
    assert [name for name in rendered if name != "kind" or "kind" in value.__struct_fields__] == list(
        value.__struct_fields__
    )


def test_a_tagged_noun_says_its_kind() -> None:
    assert plain(TaskFinished(task="abc")) == {"kind": "TaskFinished", "task": "abc"}


def test_an_untagged_noun_does_not() -> None:
    record = FateRecord(participant=ParticipantId(1), fate=Fate.USED)
    assert plain(record) == {"participant": 1, "fate": "used"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (b"\xab\0", "ab00"),
        (Fate.USED, "used"),
        ((1, (b"\1",)), [1, ["01"]]),
        ([1], [1]),
        ({"a": b"\1"}, {"a": "01"}),
        ({b"\1": 1, Fate.CUT: 2}, {"01": 1, "cut": 2}),
        (Accepted(values=(3,)), {"kind": "Accepted", "values": [3]}),
    ],
)
def test_values_are_written_plainly(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_digests_and_keys_are_hexadecimal() -> None:
    assert plain((digest("a"), key("a").public)) == [digest("a").hex(), key("a").public.hex()]


def test_a_genesis_file_can_be_rendered() -> None:
    rendered = plain(genesis().document)
    assert json.loads(json.dumps(rendered)) == rendered


def test_a_float_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        plain(1.5)
