"""`quorate task init`, `new` and `show`."""

from pathlib import Path
from typing import Annotated

import typer

from aggregation.layouts import EXPONENT_DEFAULT
from ledger.tasks import EXPONENT_MAX, EXPONENT_MIN, Role
from participant.preparation import prepare_task
from quorate.commands.base import Folder, GenesisFile, Node, RequiredGenesis, example, noun
from quorate.environment import NODE_DEFAULT, options
from quorate.files import claim_folder, digest_of_file, write_new_file
from quorate.output import Answer
from quorate.pages import participant_names, task_page
from quorate.parsing import parse_name
from quorate.plain_text import Fields, Table
from quorate.reading import Origin, open_view
from quorate.receipt_page import receipt_answer
from quorate.registration import register
from quorate.safetensors_reader import read_safetensors
from quorate.task_file import LAYOUT_FILE, MODEL_FILE, TASK_FILE, template

app = noun("Prepare, register and show a learning task.")


@app.command(
    "init",
    epilog=example(
        "task init --from-model start.safetensors --name cardio --out task --invite alpha/site"
        " --invite beta/site --invite gamma/site"
    ),
)
def init(
    from_model: Annotated[Path, typer.Option(help="Initial weights: a safetensors file, float tensors by name.")],
    out: Annotated[Path, typer.Option(help="A new folder for layout, initial model and task file.")],
    name: Annotated[str, typer.Option(help="Name of the task.")] = "my-task",
    invite: Annotated[
        list[str] | None, typer.Option(metavar="ORGANISATION/NAME", help="A training site; may be repeated.")
    ] = None,
    exponent: Annotated[
        int, typer.Option(help="Grid of updates, 2^-N: finer for fine-tuning.", min=EXPONENT_MIN, max=EXPONENT_MAX)
    ] = EXPONENT_DEFAULT,
) -> Answer:
    """Write what a task needs, to be edited; nothing is sent.

    A layout, the initial model as exact integers, and a task file that everybody should read before it is registered.
    """
    text = template(parse_name(name), source=digest_of_file(from_model), invited=invite or ())
    prepared = prepare_task(read_safetensors(from_model), exponent=exponent)
    claim_folder(out)
    for file, data in (
        (LAYOUT_FILE, prepared.layout_data),
        (MODEL_FILE, prepared.model_data),
        (TASK_FILE, text.encode()),
    ):
        write_new_file(out / file, data)
    rows = [
        (tensor.name, "x".join(map(str, tensor.shape)) or "1", tensor.role.name.lower(), f"2^-{tensor.exponent}")
        for tensor in prepared.layout.tensors
    ]
    weights = sum(tensor.elements for tensor in prepared.layout.tensors if tensor.role is Role.WEIGHT)
    return Answer(
        data={
            "folder": str(out),
            "layout": prepared.layout.digest.hex(),
            "tensors": len(prepared.layout.tensors),
            "weights": weights,
        },
        shown=[
            Fields(pairs=[("folder", out), ("layout", prepared.layout.digest.hex()), ("weights", f"{weights:,}")]),
            Table(columns=("tensor", "shape", "role", "grid"), rows=rows),
        ],
        next=f"edit {out / TASK_FILE}, then: quorate task new {out / TASK_FILE} --operator-key OPERATOR.key",
    )


@app.command("new", epilog=example("task new task/task.toml --operator-key alpha/keys/operator.key"))
def new(
    file: Annotated[Path, typer.Argument(help="The task file; layout and model lie beside it.")],
    operator_key: Annotated[Path, typer.Option(help="Key file of an organisation's operator.")],
    genesis: RequiredGenesis,
    node: Node = NODE_DEFAULT,
) -> Answer:
    """Upload layout and initial model, and register the task.

    Exit code 1 if the contract refuses it.
    """
    spec, receipt = register(file, operator_key=operator_key, genesis=genesis, node=node)
    chain = options(node=node, genesis=genesis)
    about = {"task": spec.name, "digest": spec.digest.hex()}
    return receipt_answer(receipt, about, following=f"quorate round {spec.name}{chain}", options=chain)


@app.command("show", epilog=example("task show cardio"))
def show(
    name: Annotated[str, typer.Argument(help="Name of the task.")],
    node: Node = NODE_DEFAULT,
    folder: Folder = None,
    genesis: GenesisFile = None,
) -> Answer:
    """Show what was agreed on, how far it is, and who is invited."""
    origin = Origin(node=node, folder=folder, genesis=genesis)
    with open_view(origin) as view:
        found = view.task(parse_name(name))
        return Answer(
            data=dict(found),
            shown=task_page(found, participant_names(view.participants())),
            warnings=view.caveats,
            next=f"quorate round {name}{origin.options}",
        )
