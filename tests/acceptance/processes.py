"""Validators as so many hosts would run them: homes and genesis made by the commands, one process each."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ledger.genesis import Genesis, ValidatorDescriptor
from ledger.keyfile import KeyPurpose, decode_key_for
from ledger.keys import SigningKey
from ledger.quantities import ValidatorId
from quorate.ports import free_ports

PATIENCE_SECONDS = 120.0
"""Only a test that has failed waits so long."""
PAUSE_SECONDS = 0.02
CAT = ("cat",)
"""Where it lies is the system's business."""
LINES_TOLD = 30
"""Lines of a log that a failed test shows."""

T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, *, tell: Callable[[], str] = lambda: "") -> T:
    """Return what `look` returns once it is something; a test that fails shows what `tell` finds out."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < end, f"{what} within {PATIENCE_SECONDS:g} s; {tell()}"
        time.sleep(PAUSE_SECONDS)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a validator listens."""

    link: str
    rest: str
    metrics: str


def loopback_addresses(_place: int) -> Addresses:
    """Return free ports of the loopback address."""
    link, rest, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    return Addresses(link=link, rest=rest, metrics=metrics)


class ValidatorProcess:
    """One organisation's home, and the process that runs its validator."""

    def __init__(self, home: Path, genesis: Path, number: int, *, prefix: Sequence[str] = ()) -> None:
        """Take a home; `prefix` is the command that its process is started through, if any."""
        self.home = home
        self.number = ValidatorId(number)
        self.log = home / "node.log"
        self._prefix = prefix
        self._genesis = genesis
        self._process: subprocess.Popen[bytes] | None = None
        self._log_writer: subprocess.Popen[bytes] | None = None
        """Writes the log, as a service manager does: a process whose own disk is full can still say so."""

    @property
    def descriptor(self) -> ValidatorDescriptor:
        """What genesis says of it."""
        return Genesis(self._genesis.read_bytes()).descriptors[self.number]

    @property
    def url(self) -> str:
        return self.descriptor.rest_url

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def operator_key(self) -> SigningKey:
        file = self.home / "keys" / "operator.key"
        return decode_key_for(KeyPurpose.OPERATOR, file.read_bytes(), file=file)

    def start(self, *, file_bytes_max: int | None = None) -> None:
        """Start the process, which can make no file longer than that: as on a full disk."""
        assert not self.is_running
        limit = [] if file_bytes_max is None else ["prlimit", f"--fsize={file_bytes_max}:", "--"]
        arguments = ["node", "start", "--home", str(self.home), "--genesis", str(self._genesis)]
        with self.log.open("ab") as output:
            self._log_writer = subprocess.Popen([*CAT], stdin=subprocess.PIPE, stdout=output)
        assert self._log_writer.stdin is not None
        with self._log_writer.stdin as lines:
            self._process = subprocess.Popen(
                [*self._prefix, *limit, sys.executable, "-m", "quorate", *arguments, "--log-format", "json"],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                env=_environment(),
            )

    def kill(self) -> None:
        """End the process without warning (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        self.exit_code()

    def pause(self) -> None:
        """Stop the process where it stands (SIGSTOP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a stopped process go on (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Tell the process to end (SIGTERM)."""
        assert self._process is not None
        self._process.terminate()

    def exit_code(self) -> int:
        """Wait until the process has ended, and all that it said is in the log."""
        assert self._process is not None
        assert self._log_writer is not None
        code = self._process.wait(PATIENCE_SECONDS)
        self._log_writer.wait(PATIENCE_SECONDS)
        return code

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of one event so far."""
        return [line for line in self._log_lines() if line["event"] == event]

    def errors(self) -> list[dict[str, Any]]:
        """Return the log lines so far that tell of what must not happen."""
        return [line for line in self._log_lines() if line["level"] == "error"]

    def log_tail(self) -> str:
        """Return the last lines of the log, without those of every block."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        told = [line for line in lines if '"transaction"' not in line and '"appended"' not in line]
        return "\n".join(told[-LINES_TOLD:])

    def _log_lines(self) -> list[dict[str, Any]]:
        whole = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        return [json.loads(line) for line in whole if line.startswith(b"{")]  # its worker writes to the same place


def make_validators(
    folder: Path,
    *,
    count: int = 4,
    addresses: Callable[[int], Addresses] = loopback_addresses,
    prefix: Callable[[int], Sequence[str]] = lambda _: (),
) -> list[ValidatorProcess]:
    """Make homes and genesis by the commands that each operator would type; by number, as genesis has them."""
    genesis = folder / "genesis.json"
    names = [f"org-{place}" for place in range(count)]
    assert names == sorted(names), "a validator's number is its organisation's place"
    for place, name in enumerate(names):
        where = addresses(place)
        home = ["node", "init", "--home", str(folder / name), "--organisation", name]
        _quorate(*home, "--link", where.link, "--rest", where.rest, "--metrics", where.metrics)
    descriptors = [str(folder / name / "descriptor.json") for name in names]
    _quorate("genesis", "assemble", *descriptors, "--chain", "acceptance", "--out", str(genesis))
    return [ValidatorProcess(folder / name, genesis, place, prefix=prefix(place)) for place, name in enumerate(names)]


def _quorate(*arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "quorate", *arguments], capture_output=True, text=True, check=False, env=_environment()
    )
    assert ran.returncode == 0, ran.stderr


def _environment() -> dict[str, str]:
    """Return this process's environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
