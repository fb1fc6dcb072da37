"""Schemas of nouns: they admit what `plain` makes of a noun, and nothing else."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from ledger import blobs, entries, records
from ledger.encoding import Noun
from ledger.rendering import plain
from node.rest import examples, record_schemas, schemas
from node.rest.noun_schemas import Answer, noun_model, plain_type

RECORDS = [
    value
    for value in vars(records).values()
    if isinstance(value, type) and issubclass(value, Noun) and value is not Noun
]


@pytest.mark.parametrize("noun", [value for value in vars(examples).values() if isinstance(value, Noun)])
def test_the_model_of_a_noun_admits_its_plain_form(noun: Noun) -> None:
    noun_model(type(noun)).model_validate(plain(noun), strict=True)


@pytest.mark.parametrize("noun", [value for value in vars(examples).values() if isinstance(value, Noun)])
def test_the_model_of_a_noun_names_every_field(noun: Noun) -> None:
    found = plain(noun)
    assert isinstance(found, dict)
    for name in found:
        with pytest.raises(ValidationError):
            noun_model(type(noun)).model_validate({key: value for key, value in found.items() if key != name})
    with pytest.raises(ValidationError):
        noun_model(type(noun)).model_validate({**found, "more": 1})


@given(st.sampled_from(list(blobs.Fate)), st.integers(0, 2**63 - 1))
@settings(deadline=None, max_examples=20)
def test_enumerations_go_by_name(fate: blobs.Fate, who: int) -> None:
    record = blobs.FateRecord(participant=who, fate=fate)  # type: ignore[arg-type]
    assert noun_model(blobs.FateRecord).model_validate(plain(record)).model_dump() == plain(record)


def test_a_union_goes_by_kind() -> None:
    adapter = TypeAdapter(plain_type(entries.Verdict))
    adapter.validate_python(plain(entries.Accepted()))
    adapter.validate_python(plain(entries.Rejected(rule="U4", values=(1,))))
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "Accepted", "rule": "U4", "values": []})


@pytest.mark.parametrize("noun", [kind for kind in RECORDS if kind.__module__ == "ledger.records"])
def test_every_record_of_state_has_a_model(noun: type[Noun]) -> None:
    assert set(noun_model(noun).model_fields) == set(noun.__struct_fields__)


ANSWERS = [
    value
    for module in (schemas, record_schemas)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Answer) and "json_schema_extra" in value.model_config
]


@pytest.mark.parametrize("model", ANSWERS, ids=lambda model: model.__name__)
def test_the_example_of_an_answer_has_its_form(model: type[BaseModel]) -> None:
    for example in model.model_json_schema()["examples"]:
        model.model_validate(example, strict=True)


def test_patterns_are_those_that_json_schema_knows() -> None:
    source = Path(record_schemas.__file__).read_text(encoding="utf-8")
    assert not re.search(r"\\[AZ]", source)
    schema = str([model.model_json_schema() for model in ANSWERS])
    assert "\\A" not in schema
    assert "\\Z" not in schema
