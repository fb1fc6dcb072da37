"""`quorate round TASK [NUMBER]`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.pages import participant_names, round_page
from quorate.parsing import parse_name
from quorate.reading import Origin, open_view


def round_(
    task: Annotated[str, typer.Argument(help="Name of the task.")],
    number: Annotated[int | None, typer.Argument(help="Number of the round; the current one if left out.")] = None,
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
) -> Answer:
    """Show a round: who was invited, and what became of each."""
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin) as view:
        found = view.round(parse_name(task), number)
        made = found["round"]["base_version"] + (found["round"]["status"] == "decided")
        return Answer(
            data=dict(found),
            shown=round_page(found, participant_names(view.participants())),
            warnings=view.caveats,
            next=f"quorate lineage {task}@{made}{origin.options}",
        )


app = verb(round_, "round cardio", "round cardio 3")
