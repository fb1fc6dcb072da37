"""`quorate blocks`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.pages import blocks_page
from quorate.reading import Origin, open_view


def blocks(
    before: Annotated[int | None, typer.Option(help="Only blocks below this height.", min=1)] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=100)] = 20,
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
) -> Answer:
    """List the newest blocks."""
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin) as view:
        found = view.blocks(before=before, limit=limit)
        return Answer(
            data=list(found),
            shown=blocks_page(found),
            warnings=view.caveats,
            next=f"quorate block {found[0]['height'] if found else 'latest'}{origin.options}",
        )


app = verb(blocks, "blocks --limit 5", "blocks --before 100 --format jsonl")
