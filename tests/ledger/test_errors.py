"""The error tree: stable names, and words that say what was expected and what came."""

import copy
import re
from collections.abc import Iterator

import pytest

from ledger import errors
from ledger.errors import InputError, QuorateError

TEXT_MAX = 2_000


def tree(kind: type[QuorateError]) -> Iterator[type[QuorateError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


OURS = [kind for kind in tree(QuorateError) if kind.__module__ == "ledger.errors"]
every_error = pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in OURS]
    assert len(set(codes)) == len(codes)


@every_error
def test_codes_are_kebab_case(kind: type[QuorateError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)


@every_error
def test_statuses_and_exit_codes_are_of_the_agreed_range(kind: type[QuorateError]) -> None:
    assert 400 <= kind.http_status <= 599
    assert kind.exit_code in {1, 2, 3, 4, 5}


@every_error
def test_the_text_says_what_was_expected_and_what_came(kind: type[QuorateError]) -> None:
    assert str(kind("height", expected=5, got=7)) == "height: expected 5, got 7"


@every_error
def test_the_text_may_stand_alone(kind: type[QuorateError]) -> None:
    assert str(kind("nothing to compare")) == "nothing to compare"


def test_only_one_of_the_two_may_be_known() -> None:
    assert str(InputError("height", expected=5)) == "height: expected 5, got None"
    assert str(InputError("height", got=5)) == "height: expected None, got 5"


def test_what_was_compared_stays_at_hand() -> None:
    error = InputError("height", expected=5, got=7)
    assert (error.what, error.expected, error.got) == ("height", 5, 7)


@pytest.mark.parametrize(
    "error",
    [
        InputError("x" * 5_000_000),
        InputError("file", expected="short", got="x" * 5_000_000),
        InputError("file", expected="x" * 5_000_000, got="short"),
        InputError("file", expected=["x"] * 100_000, got=["y"] * 100_000),
    ],
    ids=["what", "got", "expected", "lists"],
)
def test_the_text_is_short_whatever_came(error: InputError) -> None:
    assert len(str(error)) <= TEXT_MAX


def test_a_shortened_text_shows_that_it_is() -> None:
    assert str(InputError("file", expected="short", got="x" * 5_000)).endswith("x...")


def test_an_error_survives_the_way_out_of_a_worker_process() -> None:
    # Worker processes rebuild errors from the same parts that copying takes.
    error = copy.copy(errors.WrongChain("chain id", expected="ab", got="cd"))
    assert str(error) == "chain id: expected ab, got cd"
    assert (error.what, error.expected, error.got) == ("chain id", "ab", "cd")


@every_error
def test_every_error_is_drawn_in_the_tree_of_the_module(kind: type[QuorateError]) -> None:
    assert errors.__doc__ is not None
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)
