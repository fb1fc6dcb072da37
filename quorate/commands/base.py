"""What all commands share: how an app is made, and the options that mean the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

Home = Annotated[Path, typer.Option("--home", envvar="QUORATE_HOME", help="Folder of the node or member.")]
Node = Annotated[
    str, typer.Option("--node", envvar="QUORATE_NODE", help="Address of a node, such as http://host:7451.")
]
GenesisFile = Annotated[
    Path | None,
    typer.Option("--genesis", envvar="QUORATE_GENESIS", help="The genesis file that is trusted."),
]
RequiredGenesis = Annotated[
    Path, typer.Option("--genesis", envvar="QUORATE_GENESIS", help="The genesis file that is trusted.")
]
Folder = Annotated[Path | None, typer.Option("--from", help="An exported chain, instead of a node: opens no socket.")]
ReaderKey = Annotated[Path | None, typer.Option("--key", help="Operator key file, to read blobs of a node with.")]
NODE_DEFAULT = "http://127.0.0.1:7451"
"""Where a node listens for callers unless its settings say otherwise."""


class _WithDefault(TyperGroup):
    """A noun that is shown when no verb follows: `model cardio@3` means `model show cardio@3`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types are private
        """Find the command; what is none is what `show` is to show."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


def noun(text: str, *, default_show: bool = False) -> typer.Typer:
    """Return the app of a noun, to which verbs are added."""
    app = typer.Typer(
        cls=_WithDefault if default_show else TyperGroup,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )
    app.callback()(_nothing)
    return app


def verb(function: Callable[..., Any]) -> typer.Typer:
    """Return the app of a command that is one verb."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(function)
    return app


def _nothing() -> None:
    """Keep a noun with a single verb a noun."""
