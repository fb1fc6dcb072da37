"""The storage branch of the error tree."""

import re

import pytest

from ledger.errors import ConfigurationError, QuorateError
from node.storage import errors

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, QuorateError) and kind.__module__ == errors.__name__
]


def test_every_code_is_kebab_case_and_stands_for_one_error() -> None:
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_tree(kind: type[QuorateError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, ConfigurationError)])
def test_what_keeps_a_node_from_starting_says_what_to_do(kind: type[QuorateError]) -> None:
    assert kind.hint
    assert kind.exit_code == 2


@pytest.mark.parametrize("kind", [errors.VoteLogDamaged, errors.VoteLogMissing])
def test_a_lost_vote_log_is_a_lost_vote_key(kind: type[QuorateError]) -> None:
    assert "must be considered lost" in kind.hint
    assert "learner" in kind.hint
    assert "Never delete" in kind.hint
