"""Results in three forms: for people, as one envelope, as one envelope a line."""

import io
import json
import sys

import pytest

from ledger.errors import QuorateError, Undecidable
from quorate.output import Answer, OutputFormat, note, write, write_error
from quorate.plain_text import Fields, Shown, Table, Tree, lines

HOSTILE = "\x1b]0;owned\x07 \u202egnp.exe"


class Terminal(io.StringIO):
    """What a terminal would get."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(*parts: Shown) -> list[str]:
    return list(lines(parts))


def test_columns_are_aligned_and_nothing_is_cut() -> None:
    table = Table(columns=("name", "n"), rows=[("a" * 90, 1), ("b", 22)])
    assert shown(table) == ["NAME" + " " * 88 + "N", "a" * 90 + "  1", "b" + " " * 91 + "22"]


def test_a_table_without_rows_has_its_headings() -> None:
    assert shown(Table(columns=("height", "digest"), rows=[])) == ["HEIGHT  DIGEST"]


def test_fields_are_one_a_line() -> None:
    assert shown(Fields(pairs=[("chain", "trial"), ("id", 7)])) == ["chain:  trial", "id:     7"]


def test_long_values_go_on_below_their_beginning_and_digests_are_not_broken() -> None:
    words, digest = " ".join(["seven"] * 14), "ab" * 64
    assert shown(Fields(pairs=[("why", words), ("id", digest)])) == [
        "why:  " + " ".join(["seven"] * 12),
        "      seven seven",
        "id:   " + digest,
    ]
    assert [len(line) for line in shown(words)] == [77, 5]


def test_a_tree_is_drawn_in_ascii() -> None:
    tree = Tree(label="a", children=[Tree(label="b", children=[Tree(label="c")]), Tree(label="d")])
    assert shown(tree) == ["a", "|-- b", "|   `-- c", "`-- d"]


def test_parts_are_set_apart_and_lines_of_text_are_not() -> None:
    assert shown(Fields(pairs=[("a", 1)]), "x", "y", Tree(label="z")) == ["a:  1", "", "x", "y", "", "z"]


def test_every_part_is_escaped() -> None:
    parts: list[Shown] = [
        Table(columns=(HOSTILE,), rows=[(HOSTILE,)]),
        Fields(pairs=[(HOSTILE, HOSTILE)]),
        Tree(label=HOSTILE, children=[Tree(label=HOSTILE)]),
        HOSTILE,
    ]
    text = "".join(lines(parts))
    assert text.isascii()
    assert text.isprintable()


def test_stdout_carries_the_result_only(capsys: pytest.CaptureFixture[str]) -> None:
    write(Answer(data=1, shown=["result"], next="quorate blocks", warnings=["careful"]), OutputFormat.TABLE)
    captured = capsys.readouterr()
    assert captured.out == "result\n"
    assert captured.err == "warning: careful\nnext: quorate blocks\n"


def test_json_is_one_envelope_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    write(Answer(data=[{"name": HOSTILE}], shown=[], warnings=["careful"]), OutputFormat.JSON)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {
        "schema_version": 1,
        "success": True,
        "data": [{"name": HOSTILE}],
        "errors": [],
        "warnings": ["careful"],
    }


def test_json_lines_are_one_envelope_for_each_item(capsys: pytest.CaptureFixture[str]) -> None:
    write(Answer(data=[1, 2], shown=[]), OutputFormat.JSONL)
    assert [json.loads(line)["data"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


def test_json_lines_of_one_result_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write(Answer(data={"a": [1, 2]}, shown=[]), OutputFormat.JSONL)
    assert json.loads(capsys.readouterr().out)["data"] == {"a": [1, 2]}


def test_a_negative_verdict_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    error = Undecidable("blob", expected="it", got="none")
    write(Answer(data={"outcome": "undecided"}, shown=[], exit_code=3, errors=[error]), OutputFormat.JSON)
    captured = capsys.readouterr()
    envelope = json.loads(captured.out)
    assert (envelope["success"], envelope["data"]) == (False, {"outcome": "undecided"})
    assert envelope["errors"] == [
        {"code": "undecidable", "message": "blob: expected it, got none", "expected": "it", "got": "none"}
    ]
    assert captured.err == "error [undecidable]: blob: expected it, got none\n"


def test_an_error_for_people_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    write_error(QuorateError(HOSTILE), OutputFormat.TABLE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error [error]: \\x1b]0;owned\\x07 \\u202egnp.exe")


def test_notes_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    note(HOSTILE)
    assert capsys.readouterr().err == "\\x1b]0;owned\\x07 \\u202egnp.exe\n"


def test_a_terminal_gets_the_same_text_safely(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    parts: list[Shown] = [
        Table(columns=("name",), rows=[(HOSTILE,)]),
        Fields(pairs=[("[bold]field", HOSTILE)]),
        Tree(label="root", children=[Tree(label="[red]leaf")]),
        "last line",
    ]
    write(Answer(data=None, shown=parts), OutputFormat.TABLE)
    text = terminal.getvalue()
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "\\x1b]0;owned\\x07 \\u202egnp.exe" in text
    assert "[bold]field" in text, "what looks like markup is text"
    assert "└── [red]leaf" in text
    assert "last line" in text
