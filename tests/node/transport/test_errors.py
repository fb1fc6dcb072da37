"""The transport branch of the error tree."""

import re

import pytest

from ledger.errors import QuorateError
from node.transport import errors

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
