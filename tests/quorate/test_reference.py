"""The page of errors is that of the classes, and a code means one thing in the whole repository."""

import inspect
import re
from collections import Counter

import pytest

from ledger.errors import QuorateError
from quorate.reference import PAGE, error_classes, main, page

CLASSES = [kind for kind in error_classes() if not kind.__module__.startswith("tests.")]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_writing_the_page_changes_nothing() -> None:
    before = PAGE.read_bytes()
    main()
    assert PAGE.read_bytes() == before


def test_every_error_class_has_its_own_code() -> None:
    assert [code for code, count in Counter(kind.code for kind in CLASSES).items() if count > 1] == []


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_every_error_class_says_what_it_means_and_how_it_ends(kind: type[QuorateError]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind.code)
    assert kind.exit_code in {1, 2, 3, 4, 5, 70, 71}
    assert 400 <= kind.http_status < 600
    assert "code" in vars(kind), "a code is never inherited"
    documentation = inspect.getdoc(kind)
    assert documentation
    assert documentation != inspect.getdoc(kind.__base__)


def test_every_class_is_in_the_tree_once() -> None:
    tree = page().split("```")[1]
    assert all(len(re.findall(rf"\b{kind.__name__} \({kind.code}\)", tree)) == 1 for kind in CLASSES)
