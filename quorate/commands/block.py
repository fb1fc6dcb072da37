"""`quorate block HEIGHT`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.errors import UsageError
from quorate.output import Answer
from quorate.pages import block_page
from quorate.reading import Origin, open_view


def block(
    height: Annotated[str, typer.Argument(help="Height of the block, or `latest`.")] = "latest",
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
) -> Answer:
    """Show one block and how its transactions were judged."""
    wanted = _height(height)
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin, height=wanted) as view:
        found = view.block(wanted)
        first = next((item["id"] for item in found["entries"] if "id" in item), None)
        return Answer(
            data=dict(found),
            shown=block_page(found),
            warnings=view.caveats,
            next=("quorate blocks" if first is None else f"quorate tx {first}") + origin.options,
        )


def _height(text: str) -> int | None:
    if text == "latest":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UsageError("height", expected="a number or `latest`", got=repr(text))
    return int(text)


app = verb(block, "block", "block 7 --from exported")
