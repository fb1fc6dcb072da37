"""Processes are started in a session of their own, and only those that were started are ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quorate.errors import ProcessFailed
from quorate.ports import FIRST, LAST, free_ports
from quorate.processes import end, is_running, spawn_python

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)']);"
    "print('up', flush=True); time.sleep(600)"
)
PATIENCE = 120.0
"""Far longer than anything takes."""


def spawn(folder: Path, code: str) -> int:
    """Start a process and wait until it says that it is up."""
    number = spawn_python(["-c", code], lock=folder / "lock", log=folder / "log")
    until = time.monotonic() + PATIENCE
    while (folder / "log").read_text() != "up\n":
        assert time.monotonic() < until
        time.sleep(0.01)
    return number


def test_a_process_runs_until_it_is_ended(tmp_path: Path) -> None:
    number = spawn(tmp_path, SLEEPER)
    assert is_running(tmp_path / "lock")
    assert os.getsid(number) == number
    end(number, lock=tmp_path / "lock", patience=PATIENCE)
    assert not is_running(tmp_path / "lock")
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    number = spawn(tmp_path, STUBBORN)
    end(number, lock=tmp_path / "lock", patience=0.1)
    assert not is_running(tmp_path / "lock")


def test_a_process_is_killed_without_warning(tmp_path: Path) -> None:
    number = spawn(tmp_path, STUBBORN)
    end(number, lock=tmp_path / "lock", patience=0)
    assert not is_running(tmp_path / "lock")


def test_a_process_that_died_is_not_running(tmp_path: Path) -> None:
    number = spawn(tmp_path, SLEEPER)
    os.kill(number, signal.SIGKILL)
    while is_running(tmp_path / "lock"):
        time.sleep(0.01)
    end(number, lock=tmp_path / "lock", patience=PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_number_that_now_belongs_to_another_process_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE) as stranger:
        try:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == b"up\n"
            end(stranger.pid, lock=tmp_path / "lock", patience=0)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_only_one_process_holds_a_lock(tmp_path: Path) -> None:
    number = spawn(tmp_path, SLEEPER)
    try:
        with pytest.raises(ProcessFailed, match="one that runs"):
            spawn_python(["-c", SLEEPER], lock=tmp_path / "lock", log=tmp_path / "log")
    finally:
        end(number, lock=tmp_path / "lock", patience=PATIENCE)


def test_a_child_of_the_process_does_not_hold_its_lock(tmp_path: Path) -> None:
    number = spawn(tmp_path, PARENT)
    os.kill(number, signal.SIGKILL)
    end(number, lock=tmp_path / "lock", patience=PATIENCE)
    assert not is_running(tmp_path / "lock")


def test_what_was_never_started_is_not_running(tmp_path: Path) -> None:
    assert not is_running(tmp_path / "lock")


def test_free_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(FIRST <= port <= LAST for port in ports)
