"""`quorate version`."""

from typing import Annotated

import typer

from ledger.encoding import PROTOCOL_VERSION
from quorate import __version__
from quorate.commands.base import Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer
from quorate.plain_text import Fields


def version(
    node: Node = NODE_DEFAULT,
    every: Annotated[bool, typer.Option("--all", help="Of every validator of the chain.")] = False,  # noqa: FBT002 - typer's way
) -> Answer:
    """Show which release this is, or which every validator runs.

    With --all the exit code is 1 unless all of them answer and run the same release.
    """
    if every:
        from quorate import node_status  # noqa: PLC0415 - a validator is to load neither httpx nor numpy

        return node_status.versions(node)
    found = {"software": __version__, "protocol": PROTOCOL_VERSION}
    return Answer(data=found, shown=[Fields(pairs=list(found.items()))], next="quorate version --all")


app = verb(version, "version", "version --all --node http://127.0.0.1:7451")
