"""`quorate model TASK[@VERSION]` and `quorate model pull`."""

from pathlib import Path
from typing import Annotated

import typer

from quorate.commands.base import Folder, GenesisFile, Node, example, noun
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.pages import model_page
from quorate.parsing import parse_model
from quorate.plain_text import Fields
from quorate.pulling import pull_model
from quorate.reading import Origin, open_view

app = noun("Show a global model, or pull its weights.", default_show=True)

Model = Annotated[str, typer.Argument(help="TASK@VERSION, or TASK for its newest model.")]


@app.command("show", epilog=example("model cardio", "model show cardio@3 --from exported"))
def show(model: Model, node: Node = NODE_DEFAULT, folder: Folder = None, genesis: GenesisFile = None) -> Answer:
    """Show the record of a global model.

    `quorate model TASK@VERSION` does the same.
    """
    task, version = parse_model(model)
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin) as view:
        found = view.model(task, version)
        return Answer(
            data=dict(found),
            shown=model_page(found),
            warnings=view.caveats,
            next=f"quorate lineage {task}@{found['version']}{origin.options}",
        )


@app.command("pull", epilog=example("model pull cardio --out cardio.safetensors --key site.key"))
def pull(
    model: Model,
    out: Annotated[Path, typer.Option(help="File to write; never overwritten.")],
    key: Annotated[Path, typer.Option(help="Key file of a member: site or operator.")],
    node: Node = NODE_DEFAULT,
    genesis: GenesisFile = None,
    verify: Annotated[bool, typer.Option(help="Check the model's record and bytes against the genesis file.")] = True,  # noqa: FBT002 - typer's way
) -> Answer:
    """Write a global model as an ordinary safetensors file."""
    task, version = parse_model(model)
    origin = Origin(node=node, folder=None, genesis=genesis)
    record = pull_model(task, version, out, origin=origin, key=key, verify=verify)
    name = f"{task}@{record['version']}"
    return Answer(
        data={"file": str(out), "task": task, "version": record["version"], "view": record["view"], "verified": verify},
        shown=[
            Fields(
                pairs=[
                    ("file", out),
                    ("model", name),
                    ("digest", record["view"]),
                    ("verified", "yes" if verify else "no"),
                ]
            )
        ],
        warnings=() if verify else ("nothing was verified: the model is what the node says it is",),
        next=f"quorate lineage {name}{origin.options}",
    )
