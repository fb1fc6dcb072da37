"""`quorate lineage TASK[@VERSION]`."""

from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, ReaderKey, verb
from quorate.environment import NODE_DEFAULT
from quorate.lineage import DEPTH_MAX, trace, tree
from quorate.output import Answer
from quorate.parsing import parse_model
from quorate.reading import Origin, open_view


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
        name = f"{task}@{found[0]['version']}"
        return Answer(
            data=found, shown=[tree(found)], warnings=view.caveats, next=f"quorate verify {name}{origin.options}"
        )


app = verb(lineage, "lineage cardio", "lineage cardio@3 --depth 10 --from exported")
