"""What a command answers, and the three forms it is written in: for people, as one JSON envelope, as JSON lines.

stdout carries the result only; warnings, errors and the next useful command go to stderr, so that a pipe never has to
guess. JSON is written in plain ASCII, and so is everything else unless stdout is a terminal. Nothing from a chain or a
node reaches the terminal before `quorate.escaping` has made it safe.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from ledger.errors import QuorateError
from quorate.escaping import ascii_only
from quorate.plain_text import Shown, lines

SCHEMA_VERSION = 1
"""Of the envelope; a field is never given another meaning under the same number."""

Data: TypeAlias = Any
"""What JSON can hold: the result as programs read it."""


class OutputFormat(StrEnum):
    """How a result is written."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    """One envelope."""
    JSONL = "jsonl"
    """One envelope a line: for a list, one for each of its items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a command."""

    data: Data
    """For programs; a list where the command lists things."""
    shown: Sequence[Shown]
    """For people."""
    next: str = ""
    """The next useful command."""
    warnings: Sequence[str] = field(default=())
    exit_code: int = 0
    """Other than 0 for a negative verdict that is itself the result."""
    errors: Sequence[QuorateError] = field(default=())
    """What the verdict rests on, if it is negative."""


def write(answer: Answer, output_format: OutputFormat) -> None:
    """Write a result to stdout, and to stderr what is beside it."""
    for warning in answer.warnings:
        note(f"warning: {warning}")
    for error in answer.errors:
        _explain(error)
    if output_format is OutputFormat.TABLE:
        _show(answer.shown)
    else:
        split = output_format is OutputFormat.JSONL and isinstance(answer.data, list)
        for item in answer.data if split else [answer.data]:
            _print_envelope(item, warnings=answer.warnings, errors=answer.errors, success=answer.exit_code == 0)
    if answer.next:
        note(f"next: {answer.next}")


def write_error(error: QuorateError, output_format: OutputFormat) -> None:
    """Write why there is no result: to stderr, and as an envelope to stdout where one is expected."""
    _explain(error)
    if output_format is not OutputFormat.TABLE:
        _print_envelope(None, warnings=(), errors=(error,), success=False)


def note(text: str) -> None:
    """Write a line to stderr: progress, hints, whatever is not the result."""
    sys.stderr.write(ascii_only(text) + "\n")
    sys.stderr.flush()


def error_fields(error: QuorateError) -> dict[str, object]:
    """Return an error as the envelope carries it."""
    fields: dict[str, object] = {"code": error.code, "message": str(error)}
    for name in ("expected", "got"):
        value = getattr(error, name)
        if value is not None:
            fields[name] = str(value)
    if error.hint:
        fields["hint"] = error.hint
    return fields


def _explain(error: QuorateError) -> None:
    note(f"error [{error.code}]: {error}")
    if error.hint:
        note(f"hint: {error.hint}")


def _print_envelope(data: Data, *, warnings: Sequence[str], errors: Sequence[QuorateError], success: bool) -> None:
    envelope = {
        "schema_version": SCHEMA_VERSION,
        "success": success,
        "data": data,
        "errors": [error_fields(error) for error in errors],
        "warnings": list(warnings),
    }
    sys.stdout.write(json.dumps(envelope) + "\n")


def _show(shown: Sequence[Shown]) -> None:
    if sys.stdout.isatty():
        from quorate.terminal import print_shown  # noqa: PLC0415 - rich, only where there is a terminal

        print_shown(shown)
    else:
        sys.stdout.write("".join(line + "\n" for line in lines(shown)))
