"""The main job: the demo as a user runs it, to its end and interrupted."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quorate.demo.claims import Claim, Verdict
from tests.network import WAIT_SECONDS

SECONDS_MAX = 5 * WAIT_SECONDS


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the demo with its temporary folders below `folder`."""
    with subprocess.Popen(
        [sys.executable, "-m", "quorate", "demo"],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=SECONDS_MAX)


def validators_in(output: str) -> list[int]:
    """Return the process numbers that the demo has named."""
    found = re.search(r"quorate node start: processes ([0-9, ]+),", output)
    assert found is not None, output
    return [int(number) for number in found[1].split(", ")]


def is_running(number: int) -> bool:
    """Return whether a process of this number is there and is one of ours."""
    try:
        return b"quorate" in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.processes
def test_everything_that_the_demo_claims_holds(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        output, _ = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0, output
    assert [claim for claim in Claim if f"  yes  {claim}\n" not in output] == []
    assert not any(is_running(number) for number in validators_in(output))
    assert list(tmp_path.glob("quorate*")) == [], output


@pytest.mark.processes
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "Round 1"),
        (signal.SIGTERM, "quorate node start: processes"),
        (signal.SIGHUP, "quorate node start: processes"),
    ],
)
def test_an_interrupted_demo_ends_what_it_started(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if moment in line or "interrupted" in line:  # a second signal changes nothing
                process.send_signal(number)
        process.wait(timeout=SECONDS_MAX)
    assert process.returncode == 130, output
    assert not any(is_running(validator) for validator in validators_in(output))
    assert list(tmp_path.glob("quorate*")) == [], output


def test_a_claim_that_was_never_shown_has_not_held() -> None:
    verdict = Verdict()
    for claim in list(Claim)[1:]:
        verdict.show(claim, held=True, detail="")
    assert not verdict.holds
    verdict.show(next(iter(Claim)), held=True, detail="")
    assert verdict.holds


def test_a_claim_must_hold_each_time_that_it_is_shown() -> None:
    verdict = Verdict()
    for held in (True, False, True):
        for claim in Claim:
            verdict.show(claim, held=held, detail="")
    assert not verdict.holds


def run_with_sklearn(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the demo where importing scikit-learn means running this code."""
    (folder / "sklearn").mkdir()
    (folder / "sklearn" / "__init__.py").write_text(code)
    return subprocess.run(
        [sys.executable, "-m", "quorate", "demo"],
        env=os.environ | {"PYTHONPATH": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def test_without_its_extra_the_demo_says_what_to_install(tmp_path: Path) -> None:
    ended = run_with_sklearn("raise ModuleNotFoundError(name='sklearn')", tmp_path)
    assert ended.returncode == 2
    assert "expected pip install 'quorate[demo]', got not installed" in ended.stderr


def test_a_demo_that_is_interrupted_while_it_loads_just_ends(tmp_path: Path) -> None:
    ended = run_with_sklearn("import os, signal; os.kill(os.getpid(), signal.SIGINT)", tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
