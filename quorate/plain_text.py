"""What is shown to people, and how it looks where there is no terminal: aligned columns and trees in plain ASCII."""

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
"""A part of an answer; text is one line."""


def lines(shown: Sequence[Shown]) -> Iterator[str]:
    """Yield the lines of an answer, with an empty one between its parts unless both are text."""
    for place, part in enumerate(shown):
        if place and not (isinstance(part, str) and isinstance(shown[place - 1], str)):
            yield ""
        match part:
            case Table():
                yield from _table(part)
            case Fields():
                yield from _columns([(f"{name}:", value) for name, value in part.pairs])
            case Tree():
                yield ascii_only(part.label)
                yield from _branches(part.children, "")
            case _:
                yield ascii_only(part)


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
