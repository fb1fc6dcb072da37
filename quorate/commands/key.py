"""`quorate key new` and `quorate key show`."""

from pathlib import Path
from typing import Annotated

import typer

from node.keystore import KeyPurpose, create_key
from quorate.commands.base import example, noun
from quorate.files import load_any_key
from quorate.output import Answer
from quorate.plain_text import Fields

app = noun("Make signing keys, and show their public half.")


@app.command("new", epilog=example("key new --out site.key"))
def new(
    out: Annotated[Path, typer.Option(help="File to write; never overwritten, readable by its owner alone.")],
    purpose: Annotated[KeyPurpose, typer.Option(help="What the key is for.")] = KeyPurpose.PARTICIPANT,
) -> Answer:
    """Make a key; its secret stays in the file."""
    key = create_key(out, purpose)
    return _answer(out, purpose, key.public.hex())


@app.command("show", epilog=example("key show site.key"))
def show(file: Annotated[Path, typer.Argument(help="A key file.")]) -> Answer:
    """Show what a key is for, and its public half."""
    purpose, key = load_any_key(file)
    return _answer(file, purpose, key.public.hex())


def _answer(file: Path, purpose: KeyPurpose, public: str) -> Answer:
    if purpose is KeyPurpose.PARTICIPANT:
        following = f"quorate participant enrol --operator-key OPERATOR.key --name NAME --public {public}"
    else:
        following = "quorate genesis assemble DESCRIPTOR... --chain NAME"
    return Answer(
        data={"file": str(file), "purpose": purpose.value, "public": public},
        shown=[Fields(pairs=[("file", file), ("purpose", purpose.value), ("public", public)])],
        next=following,
    )
