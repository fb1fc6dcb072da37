"""The command line as a person or a script meets it: arguments in; exit code, stdout and stderr out."""

import json
import threading
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from quorate.cli import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The one envelope on stdout."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        assert found.keys() == {"schema_version", "success", "data", "errors", "warnings"}
        assert (found["schema_version"], found["success"]) == (1, self.code == 0)
        return found


class _Own(StringIO):
    """A stream that takes what its own thread writes: nodes that run in other threads log to the same place."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        return super().write(text) if threading.get_ident() == self._thread else len(text)


class Commands:
    """Runs commands in this process."""

    def __call__(self, *arguments: object) -> Ran:
        with redirect_stdout(_Own()) as out, redirect_stderr(_Own()) as err:
            code = run([str(argument) for argument in arguments])
        return Ran(code=code, out=out.getvalue(), err=err.getvalue())

    def data(self, *arguments: object) -> Any:
        """Return the data of a command that must end well, and that says what to do next."""
        ran = self(*arguments, "--format", "json")
        assert ran.code == 0, ran.err
        assert ran.err.splitlines()[-1].startswith("next: ")
        assert ran.envelope["errors"] == []
        return ran.envelope["data"]
