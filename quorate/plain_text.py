"""What is shown to people, and how it looks where there is no terminal: aligned columns and trees in plain ASCII."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from quorate.escaping import ascii_only


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Names and values, one a line."""

    pairs: Sequence[tuple[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A label and what hangs below it."""

    label: str
    children: Sequence["Tree"] = field(default=())


Shown: TypeAlias = Table | Fields | Tree | str
"""A part of an answer; text is one line, or a paragraph."""

WIDTH = 80
"""Columns that fields and paragraphs are wrapped to; digests and tables are never broken."""


def set_apart(shown: Sequence[Shown]) -> Iterator[tuple[bool, Shown]]:
    """Yield each part of an answer, and whether an empty line goes before it: not between two texts."""
    before: Shown | None = None
    for part in shown:
        yield before is not None and not (isinstance(part, str) and isinstance(before, str)), part
        before = part


def lines(shown: Sequence[Shown]) -> Iterator[str]:
    """Yield the lines of an answer."""
    for is_apart, part in set_apart(shown):
        if is_apart:
            yield ""
        match part:
            case Table():
                yield from _table(part)
            case Fields():
                yield from _fields(part)
            case Tree():
                yield ascii_only(part.label)
                yield from _branches(part.children, "")
            case _:
                yield from _wrapped(part, WIDTH)


def _fields(fields: Fields) -> Iterator[str]:
    pairs = [(ascii_only(f"{name}:"), value) for name, value in fields.pairs]
    indent = max((len(name) for name, _ in pairs), default=0) + 2
    for name, value in pairs:
        first, *more = _wrapped(value, WIDTH - indent)
        yield f"{name.ljust(indent)}{first}".rstrip()
        yield from (" " * indent + line for line in more)


def _wrapped(value: object, width: int) -> list[str]:
    text = ascii_only(str(value))
    return textwrap.wrap(text, width=max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]


def _table(table: Table) -> Iterator[str]:
    headings = [heading.upper() for heading in table.columns]
    yield from _columns([headings, *table.rows])


def _columns(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    cells = [[ascii_only(str(cell)) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _branches(children: Sequence[Tree], indent: str) -> Iterator[str]:
    for place, child in enumerate(children):
        is_last = place == len(children) - 1
        yield f"{indent}{'`-- ' if is_last else '|-- '}{ascii_only(child.label)}"
        yield from _branches(child.children, indent + ("    " if is_last else "|   "))
