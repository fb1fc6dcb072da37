"""The command line: which commands there are, and the one place where results, errors and exit codes meet.

A command is imported when it is called, so `quorate --help` needs neither numpy nor FastAPI nor LevelDB. Each command
is a function that returns an `Answer` or raises an error of the tree; it never prints. Exit codes (PROVENANCE.md):
0 ok, 1 negative verdict, 2 usage or configuration, 3 unreachable or undecided, 4 not authorised, 5 not found, 70 our
bug, 71 a node that stopped until its operator has done something, 130 interrupted.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ledger.errors import QuorateError
from quorate import __version__
from quorate.errors import UsageError
from quorate.output import Answer, OutputFormat, note, write, write_error

EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141
"""Whoever read stdout has gone: 128 + SIGPIPE, as other tools end."""

COMMANDS = {
    "demo": "A whole consortium on this machine: trains, is attacked, crashes, and is audited.",
    "network": "Validators of a trial network on this machine.",
    "node": "Set up and start one validator.",
    "status": "Show where a node stands, or every validator of the chain.",
    "version": "Show which release this is, or which every validator runs.",
    "doctor": "Check a validator from its host: settings, keys, disk, clock, peers.",
    "backup": "Back up a stopped node, check a backup, and restore one.",
    "validator": "Change who validates: learners, new validators, removals, other keys.",
    "organisation": "Set up a member that only trains.",
    "genesis": "Assemble the file from which a chain begins, and look at it.",
    "protocol": "Decide from which block on a new version of all rules holds.",
    "config": "Check a node's settings.",
    "key": "Make signing keys, and show their public half.",
    "participant": "Enrol a training site.",
    "task": "Prepare, register and show a learning task.",
    "update": "Inspect and submit a model update.",
    "model": "Show a global model (`quorate model TASK@VERSION`), or pull its weights.",
    "blocks": "List the newest blocks.",
    "block": "Show one block and how its transactions were judged.",
    "tx": "Show a transaction, its verdict and its proof.",
    "evidence": "List the validators that are proven to have contradicted themselves.",
    "round": "Show a round: who was invited, and what became of each.",
    "lineage": "Show which updates made a global model, and on which model it builds.",
    "export": "Write the chain and its blobs to a folder that anyone can verify offline.",
    "verify": "Verify a transaction, a global model or the whole chain; recompute models bit for bit.",
}
"""Every command with its line in the overview; `quorate.commands` has a module for each."""

FORMAT_HELP = (
    "Every command takes --format table|json|jsonl. Exit codes: 0 ok, 1 negative verdict, 2 usage, 3 undecided or "
    "unreachable, 4 not authorised, 5 not found."
)


class _Deferred(TyperCommand):
    """A command that is imported once it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - typer's own types are private
        """Import the command and let it read its arguments."""
        module = importlib.import_module(f"quorate.commands.{self.name}")
        return typer.main.get_command(module.app).make_context(info_name, args, parent, **extra)


class _Root(TyperGroup):
    """`quorate` itself: knows every command and imports none."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(**attributes)
        for name, text in COMMANDS.items():
            self.add_command(_Deferred(name=name, help=text, short_help=text))


def run(arguments: Sequence[str]) -> int:
    """Run a command line, write its answer or its error, and return the exit code."""
    arguments = list(arguments)
    output_format = OutputFormat.TABLE
    try:
        output_format = take_format(arguments)
        answer = _call(arguments)
        if isinstance(answer, Answer):
            write(answer, output_format)
        sys.stdout.flush()
    except QuorateError as error:
        write_error(error, output_format)
        return error.exit_code
    except KeyboardInterrupt:
        note("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes stdout once more
        return EXIT_PIPE_CLOSED
    except Exception:  # noqa: BLE001 - whatever it is, it is ours, and has a code of its own
        traceback.print_exc()
        write_error(CommandFailed("the lines above say where"), output_format)
        return EXIT_BUG
    return answer.exit_code if isinstance(answer, Answer) else answer


def _call(arguments: list[str]) -> Answer | int:
    """Return what a command answers, or an exit code where that is all; typer itself answers `--help`.

    Raises UsageError for a command line that typer cannot read. Typer's own `main` would turn an interrupt and a
    closed pipe into exit codes of its own, without a word.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("quorate", arguments) as context:
            answer = command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    except typer.TyperException as error:
        failed = getattr(error, "ctx", None)
        text = error.format_message()
        if failed is not None and text == failed.get_help():
            sys.stderr.write(text + "\n")  # nothing was asked for: say what there is
            return UsageError.exit_code
        path = "quorate" if failed is None else failed.command_path
        raise UsageError(f"{text} (see `{path} --help`)") from error
    return answer if isinstance(answer, Answer) else int(answer or 0)


class CommandFailed(QuorateError):
    """A command failed in a way that no error of the tree describes: a bug of ours."""

    code = "command-failed"
    exit_code = EXIT_BUG
    hint = "Please report it with the lines above."


def take_format(args: list[str]) -> OutputFormat:
    """Take `--format` out of a command line, wherever it stands; raises UsageError for an unknown one."""
    end = args.index("--") if "--" in args else len(args)
    for place, argument in enumerate(args[:end]):
        name, equals, value = argument.partition("=")
        if name == "--format":
            if not equals:
                value = args[place + 1] if place + 1 < len(args) else ""
            del args[place : place + (1 if equals else 2)]
            known = [item.value for item in OutputFormat]
            if value not in known:
                raise UsageError("--format", expected=" | ".join(known), got=repr(value))
            return OutputFormat(value)
    return OutputFormat.TABLE


def _version(value: bool) -> None:  # noqa: FBT001 - typer's way
    if value:
        sys.stdout.write(f"quorate {__version__}\n")
        raise typer.Exit


app = typer.Typer(
    cls=_Root,
    help="Quorate: a permissioned blockchain node with model aggregation built in.",
    epilog=FORMAT_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
"""The whole command line."""


@app.callback()
def _root(
    _show_version: bool = typer.Option(  # noqa: FBT001
        False,  # noqa: FBT003
        "--version",
        help="Print the version and exit.",
        callback=_version,
        is_eager=True,
    ),
) -> None:
    """Take what belongs to no command."""
