"""`quorate status`."""

from typing import Annotated

import typer

from quorate.commands.base import Node, verb
from quorate.environment import NODE_DEFAULT
from quorate.output import Answer


def status(
    node: Node = NODE_DEFAULT,
    every: Annotated[bool, typer.Option("--all", help="Every validator of the chain, asked at the same time.")] = False,  # noqa: FBT002 - typer's way
    watch: Annotated[bool, typer.Option("--watch", help="Ask again every two seconds, until interrupted.")] = False,  # noqa: FBT002
) -> Answer:
    """Show where a node stands, or all of them.

    Exit code 1 if callers should not be sent to it; with --all, if any validator does not answer, is behind, is
    changing the view, has an alarm, or belongs to another chain.
    """
    from quorate import node_status  # noqa: PLC0415 - a validator is to load neither httpx nor numpy

    if watch:
        return node_status.watch(node, every=every)
    return node_status.ask_all(node) if every else node_status.ask(node)


app = verb(status, "status --node http://127.0.0.1:7451", "status --all --watch")
