"""The same parts on a terminal, where there is room for lines, bold headings and Unicode."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from rich.tree import Tree as RichTree

from quorate.escaping import escape
from quorate.plain_text import Fields, Shown, Table, Tree, set_apart


def print_shown(shown: Sequence[Shown]) -> None:
    """Print an answer to the terminal that stdout is."""
    console = Console(markup=False, highlight=False, emoji=False)
    for is_apart, part in set_apart(shown):
        if is_apart:
            console.print()
        console.print(_rendered(part))


def _rendered(part: Shown) -> RenderableType:
    match part:
        case Table():
            table = RichTable(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
            for heading in part.columns:
                table.add_column(_text(heading))
            for row in part.rows:
                table.add_row(*(_text(cell) for cell in row))
            return table
        case Fields():
            grid = RichTable.grid(padding=(0, 2))
            for name, value in part.pairs:
                grid.add_row(Text(name, style="bold"), _text(value))
            return grid
        case Tree():
            return _branch(part)
        case _:
            return _text(part)


def _branch(tree: Tree) -> RichTree:
    branch = RichTree(_text(tree.label))
    for child in tree.children:
        branch.add(_branch(child))
    return branch


def _text(value: object) -> Text:
    return Text(escape(str(value)), overflow="fold")
