"""What all commands share: how an app is made, and the options that mean the same everywhere."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from quorate.environment import GENESIS_VARIABLE, HOME_VARIABLE, NODE_VARIABLE

Home = Annotated[Path, typer.Option("--home", envvar=HOME_VARIABLE, help="Folder of the node or member.")]
Node = Annotated[str, typer.Option("--node", envvar=NODE_VARIABLE, help="Address of a node, such as http://host:7451.")]
GenesisFile = Annotated[
    Path | None,
    typer.Option("--genesis", envvar=GENESIS_VARIABLE, help="The genesis file that is trusted."),
]
RequiredGenesis = Annotated[
    Path, typer.Option("--genesis", envvar=GENESIS_VARIABLE, help="The genesis file that is trusted.")
]
Folder = Annotated[Path | None, typer.Option("--from", help="An exported chain, instead of a node: opens no socket.")]
ReaderKey = Annotated[Path | None, typer.Option("--key", help="Operator key file, to read blobs of a node with.")]


def example(*commands: str) -> str:
    """Return the end of a command's help: how it is called."""
    heading = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", heading, *(_in_lines(f"quorate {command}") for command in commands)])


def _in_lines(command: str) -> str:
    parts = textwrap.wrap(command, width=72, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
    return " \\\n".join(f"  {part}" for part in parts)


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


def verb(function: Callable[..., Any], *examples: str) -> typer.Typer:
    """Return the app of a command that is one verb."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(epilog=example(*examples))(function)
    return app


def _nothing() -> None:
    """Keep a noun with a single verb a noun."""
