"""Genesis files that were tampered with in the whole or in the parameters: each is refused by name."""

import json
from collections.abc import Callable

import pytest

from ledger.errors import (
    InputError,
    MalformedEncoding,
    TooLarge,
)
from ledger.genesis import GENESIS_BYTES_MAX
from ledger.parameters import ChainParameters
from tests.ledger.genesis_files import FILE, TEXT, Json, changed, expect_refusal


@pytest.mark.parametrize("length", [0, 1, len(FILE) // 2, len(FILE) - 3])
def test_a_cut_file_is_malformed(length: int) -> None:
    expect_refusal(FILE[:length], MalformedEncoding, "not a genesis file")


@pytest.mark.parametrize(
    "data",
    [b"[]", b"null", b"\xff", b"[" * 1_000_000, b'{"format":' + b"[" * 1_000_000, b'{"' + b"x" * 3_000_000 + b'":1}'],
    ids=["array", "null", "not-utf-8", "bomb", "inner-bomb", "long-name"],
)
def test_something_else_is_malformed(data: bytes) -> None:
    expect_refusal(data, MalformedEncoding, "not a genesis file")


def test_the_size_is_checked_first() -> None:
    expect_refusal(b"{" * (GENESIS_BYTES_MAX + 1), TooLarge, f"expected at most {GENESIS_BYTES_MAX} bytes")


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(extra=1),
        lambda document: document["organisations"][0].update(extra=1),
        lambda document: document["organisations"][0]["validators"][0].update(extra=1),
    ],
    ids=["file", "organisation", "validator"],
)
def test_an_unknown_field_is_malformed(change: Callable[[Json], object]) -> None:
    expect_refusal(changed(change), MalformedEncoding, "unknown field `extra`")


@pytest.mark.parametrize("field", ["format", "chain", "time_ms", "parameters", "organisations"])
def test_a_missing_field_is_malformed(field: str) -> None:
    expect_refusal(changed(lambda document: document.pop(field)), MalformedEncoding, f"required field `{field}`")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain", "Test"),
        ("chain", "test\n"),
        ("time_ms", -1),
        ("time_ms", 2**63),
        ("time_ms", 10**400),
        ("time_ms", 1.5),
        ("time_ms", "1"),
        ("time_ms", None),
        ("parameters", []),
        ("organisations", {}),
    ],
    ids=str,
)
def test_a_field_of_another_kind_is_malformed(field: str, value: object) -> None:
    written_anew = json.loads(TEXT) | {field: value}
    expect_refusal(json.dumps(written_anew).encode(), MalformedEncoding, "not a genesis file")


@pytest.mark.parametrize("name", ["quorate-genesis-2", "", "x" * 1_000_000], ids=["2", "empty", "long"])
def test_another_format_is_refused(name: str) -> None:
    data = changed(lambda document: document.update(format=name))
    expect_refusal(data, InputError, "format of the genesis file: expected quorate-genesis-1, got")


@pytest.mark.parametrize("extra", ["extra", "x" * 1_000_000], ids=["short", "long"])
def test_an_unknown_parameter_is_refused(extra: str) -> None:
    data = changed(lambda document: document["parameters"].update({extra: 1}))
    expect_refusal(data, InputError, "chain parameters: expected")


@pytest.mark.parametrize("name", ChainParameters.__struct_fields__)
def test_every_parameter_must_be_named(name: str) -> None:
    data = changed(lambda document: document["parameters"].pop(name))
    expect_refusal(data, InputError, "chain parameters: expected")


@pytest.mark.parametrize("value", [-1, 2**63, 1.5, "1", None, True])
def test_a_parameter_that_is_no_number_of_63_bits_is_malformed(value: object) -> None:
    data = changed(lambda document: document["parameters"].update(rounds_max=value))
    expect_refusal(data, MalformedEncoding, "not a genesis file")


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("protocol", 0, "1 to 1"),
        ("protocol", 2, "1 to 1"),
        ("window", 0, "1 to 64"),
        ("window", 65, "1 to 64"),
        ("invited_max", 0, "1 to 1024"),
        ("invited_max", 1_025, "1 to 1024"),
    ],
)
def test_a_parameter_that_this_software_cannot_follow_is_refused(name: str, value: int, bounds: str) -> None:
    data = changed(lambda document: document["parameters"].update({name: value}))
    expect_refusal(data, InputError, f"chain parameter {name}: expected {bounds}, got {value}")
