"""The command line itself: what it imports, where `--format` may stand, and which exit code each end has."""

import importlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import quorate.commands.blocks
from quorate.cli import COMMANDS, EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED, run, take_format
from quorate.errors import UsageError
from quorate.output import Answer, OutputFormat
from tests.quorate.commands import Commands

HEAVY = ("torch", "numpy", "fastapi", "plyvel", "httpx", "uvicorn", "sklearn", "rich", "nacl")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from quorate.cli import run; run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"
    assert "verify" in ran.stdout


def test_the_commands_of_a_site_import_no_validator() -> None:
    code = (
        "import sys; from quorate.cli import run; run(['model', 'pull', '--help']);"
        "print([name for name in ('torch', 'fastapi', 'plyvel') if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help(commands: Commands, name: str) -> None:
    ran = commands(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: quorate {name} ")


def leaves() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command but the demo."""
    for name in COMMANDS.keys() - {"demo"}:
        command = typer.main.get_command(importlib.import_module(f"quorate.commands.{name}").app)
        verbs = getattr(command, "commands", None)
        yield from ((name,) if verbs is None else (name, verb) for verb in verbs or [""])


@pytest.mark.parametrize("words", sorted(leaves()), ids=" ".join)
def test_every_help_has_examples_that_can_be_read(commands: Commands, words: tuple[str, ...]) -> None:
    _, _, text = commands(*words, "--help").out.replace("\\\n", "").partition("\n  Example")
    examples = [shlex.split(line) for line in text.splitlines() if line.startswith("    quorate ")]
    assert examples
    for example in examples:
        assert example[1] == words[0]
        assert commands(*example[1:], "--help").code == 0, "an option is unknown"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_no_help_line_is_cut_short(commands: Commands, name: str) -> None:
    lines = commands(name, "--help").out.splitlines()
    assert not [line for line in lines[1:] if line.endswith("...")]


@pytest.mark.parametrize("words", sorted(leaves()), ids=" ".join)
def test_help_fits_a_terminal(commands: Commands, words: tuple[str, ...]) -> None:
    assert max(len(line) for line in commands(*words, "--help").out.splitlines()) <= 80


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_help_is_ascii(commands: Commands, name: str) -> None:
    assert commands(name, "--help").out.isascii()


def test_each_command_has_a_module_and_each_module_a_command() -> None:
    folder = Path(quorate.commands.blocks.__file__).parent
    assert {file.stem for file in folder.glob("*.py")} - {"__init__", "base"} == COMMANDS.keys()


def test_the_overview_names_every_command(commands: Commands) -> None:
    ran = commands("--help")
    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in COMMANDS)


def test_the_version_is_a_result(commands: Commands) -> None:
    ran = commands("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"quorate {quorate.__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["node"], ["model"]])
def test_no_command_is_a_usage_error_that_shows_help(commands: Commands, arguments: list[str]) -> None:
    ran = commands(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.err


@pytest.mark.parametrize(
    "arguments", [["blokcs"], ["blocks", "--bogus"], ["blocks", "--limit", "0"], ["key", "nwe"], ["tx"]]
)
def test_what_cannot_be_read_is_a_usage_error(commands: Commands, arguments: list[str]) -> None:
    ran = commands(*arguments, "--format", "json")
    assert ran.code == 2
    (error,) = ran.envelope["errors"]
    assert error["code"] == "usage"
    assert "--help" in error["message"]


def test_a_misspelt_command_gets_a_suggestion(commands: Commands) -> None:
    assert "Did you mean 'blocks', 'block'?" in commands("blokcs").err


@pytest.mark.parametrize(
    ("arguments", "rest", "output_format"),
    [
        (["--format", "json", "blocks"], ["blocks"], OutputFormat.JSON),
        (["blocks", "--format=jsonl", "--limit", "3"], ["blocks", "--limit", "3"], OutputFormat.JSONL),
        (["blocks", "--format", "table"], ["blocks"], OutputFormat.TABLE),
        (["blocks"], ["blocks"], OutputFormat.TABLE),
        (["show", "--", "--format", "json"], ["show", "--", "--format", "json"], OutputFormat.TABLE),
    ],
)
def test_the_format_may_stand_anywhere(arguments: list[str], rest: list[str], output_format: OutputFormat) -> None:
    assert take_format(arguments) is output_format
    assert arguments == rest


@pytest.mark.parametrize("arguments", [["--format"], ["--format", "xml"], ["blocks", "--format="]])
def test_an_unknown_format_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"table \| json \| jsonl"):
        take_format(arguments)


def _blocks_that(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail() -> Answer:
        raise error

    app = typer.Typer(add_completion=False)
    app.command()(fail)
    monkeypatch.setattr(importlib.import_module("quorate.commands.blocks"), "app", app)


def test_a_bug_has_a_code_of_its_own(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    _blocks_that(monkeypatch, ZeroDivisionError("planted"))
    ran = commands("blocks", "--format", "json")
    assert ran.code == EXIT_BUG
    assert ran.envelope["errors"][0]["code"] == "command-failed"
    assert "ZeroDivisionError: planted" in ran.err


def test_an_interrupt_has_a_code_of_its_own(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    _blocks_that(monkeypatch, KeyboardInterrupt())
    ran = commands("blocks")
    assert (ran.code, ran.out, ran.err) == (EXIT_INTERRUPTED, "", "interrupted\n")


@pytest.mark.parametrize("arguments", [["verify", "--no-replay", "--from", "FOLDER"], ["--help"]])
def test_a_reader_that_goes_away_is_no_bug(exported: Path, arguments: list[str]) -> None:
    given = [str(exported) if argument == "FOLDER" else argument for argument in arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", "quorate", *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == EXIT_PIPE_CLOSED
    assert "Traceback" not in errors


@pytest.mark.parametrize("identity", ["2b1058f26635", "ab" * 33, "xy" * 32])
def test_an_id_that_is_none_is_refused_with_where_whole_ones_are(commands: Commands, identity: str) -> None:
    ran = commands("tx", identity)
    assert ran.code == 2
    assert "expected 64 hexadecimal digits, as --format json has them" in ran.err


def test_running_needs_no_arguments_of_the_process() -> None:
    assert run(["--version"]) == 0
