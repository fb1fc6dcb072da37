"""`quorate update inspect` and `quorate update submit`."""

from pathlib import Path
from typing import Annotated

import typer

from aggregation.layouts import LAYOUT_BYTES_MAX, decode_layout, update_tensors
from aggregation.update_file import update_facts
from ledger.encoding import decode_integer
from ledger.hashing import sha256
from participant.words import FATES
from quorate.commands.base import Node, RequiredGenesis, example, noun
from quorate.environment import NODE_DEFAULT, options
from quorate.files import read_file
from quorate.output import Answer
from quorate.parsing import parse_name
from quorate.plain_text import Fields
from quorate.receipt_page import receipt_answer
from quorate.submission import Submission, submit_update, wait_for_fate

app = noun("Inspect and submit a model update.")


@app.command("inspect", epilog=example("update inspect update.safetensors --layout task/layout.quorate"))
def inspect(
    file: Annotated[Path, typer.Argument(help="An update file, as the SDK's `Round.write_update` writes it.")],
    layout: Annotated[Path, typer.Option(help="Layout of the task, as `quorate task init` wrote it.")],
) -> Answer:
    """Check an update as a validator would, on this machine.

    Exit code 1 if it would be refused.
    """
    data = read_file(file)
    known = decode_layout(read_file(layout, bytes_max=LAYOUT_BYTES_MAX))
    facts = update_facts(data, known)
    norm_squared = decode_integer(facts.norm_squared)
    tensors = update_tensors(known)
    return Answer(
        data={
            "file": str(file),
            "digest": sha256(data).hex(),
            "size": len(data),
            "layout": known.digest.hex(),
            "tensors": len(tensors),
            "elements": sum(tensor.elements for tensor in tensors),
            "norm_squared": str(norm_squared),
            "value_max": facts.value_max,
        },
        shown=[
            Fields(
                pairs=[
                    ("file", file),
                    ("digest", sha256(data).hex()),
                    ("size", f"{len(data):,} bytes"),
                    ("layout", known.digest.hex()),
                    ("tensors", f"{len(tensors):,} with {sum(tensor.elements for tensor in tensors):,} elements"),
                    ("norm", f"{norm_squared**0.5 / 2**30:.6g} over the weights"),
                    ("largest", f"{facts.value_max:,} grid steps"),
                ]
            )
        ],
        next=f"quorate update submit {file} --task TASK --key SITE.key --examples N",
    )


@app.command(
    "submit",
    epilog=example("update submit update.safetensors --task cardio --key site.key --examples 120 --wait"),
)
def submit(
    file: Annotated[Path, typer.Argument(help="An update file for the open round, see `inspect`.")],
    task: Annotated[str, typer.Option(help="Name of the task.")],
    key: Annotated[Path, typer.Option(help="Key file of the training site.")],
    examples: Annotated[int, typer.Option(help="How many examples it was trained on.", min=1)],
    genesis: RequiredGenesis,
    node: Node = NODE_DEFAULT,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the round has ended, and show the fate.")] = False,  # noqa: FBT002 - typer's way
) -> Answer:
    """Upload an update and submit it to the open round.

    Exit code 1 if a contract refuses it. A script that trains uses the SDK (`quorate.Consortium`), which also remembers
    what it sent.
    """
    submission = Submission(node=node, genesis=genesis, key=key, task=parse_name(task))
    round_, receipt = submit_update(submission, read_file(file), examples=examples)
    about: dict[str, str | int] = {"task": task, "round": round_}
    if wait and receipt.accepted:
        fate = wait_for_fate(submission, round_)
        about["fate"] = f"{fate}: {FATES.get(fate, 'unknown')}"
    chain = options(node=node, genesis=genesis)
    return receipt_answer(receipt, about, following=f"quorate round {task} {round_}{chain}", options=chain)
