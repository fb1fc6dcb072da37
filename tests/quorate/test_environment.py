"""What a further command must say, and what the environment says already."""

from pathlib import Path

import pytest

from quorate.environment import NODE_DEFAULT, export, options


def test_what_the_environment_says_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_NODE", "http://a:1")
    monkeypatch.setenv("QUORATE_GENESIS", "g.json")
    assert options(node="http://a:1", genesis=Path("g.json")) == ""
    assert options(node="http://b:1", genesis=Path("h.json")) == " --node http://b:1 --genesis h.json"
    assert options(node=NODE_DEFAULT, genesis=None) == f" --node {NODE_DEFAULT}"


def test_without_an_environment_only_the_default_goes_without_saying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUORATE_NODE", raising=False)
    monkeypatch.delenv("QUORATE_GENESIS", raising=False)
    assert options(node=NODE_DEFAULT, genesis=None) == ""
    assert options(node=None, genesis=Path("my files/g.json")) == " --genesis 'my files/g.json'"


def test_the_environment_is_set_as_a_shell_takes_it() -> None:
    assert export(node="http://a:1", genesis=Path("my files/g.json")) == (
        "export QUORATE_NODE=http://a:1 QUORATE_GENESIS='my files/g.json'"
    )
