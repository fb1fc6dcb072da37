"""`quorate lineage TASK[@VERSION]`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, ReaderKey, verb
from quorate.environment import NODE_DEFAULT
from quorate.lineage import DEPTH_MAX, trace, tree
from quorate.output import Answer
from quorate.parsing import parse_model
from quorate.reading import Origin, open_view
from quorate.words import Record


def lineage(
    model: Annotated[str, typer.Argument(help="TASK@VERSION, or TASK for its newest model.")],
    depth: Annotated[int, typer.Option(help="How many models to show.", min=1, max=DEPTH_MAX)] = 3,
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
    key: ReaderKey = None,
) -> Answer:
    """Show which updates made a global model, and on which model it builds."""
    task, version = parse_model(model)
    origin = Origin(node=node, folder=folder, genesis=genesis, key=key)
    with open_view(origin) as view:
        found = trace(view, task, version, depth=depth)
        return Answer(
            data=found,
            shown=[tree(found)],
            warnings=view.caveats,
            next=f"quorate {_following(found[0])}{origin.options}",
        )


def _following(youngest: Record) -> str:
    """Return the command that goes one step deeper: to an update that was used, under its whole id."""
    used = [it["transaction"] for it in youngest["inputs"] if it["fate"] == "used"]
    return f"tx {used[0]}" if used else f"verify {youngest['task']}@{youngest['version']}"


app = verb(lineage, "lineage cardio", "lineage cardio@3 --depth 10 --from exported")
