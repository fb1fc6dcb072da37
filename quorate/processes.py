"""Processes that outlive the command that starts them, and that a later command ends: those and no others.

A process number is given anew once its process is gone, so a number alone proves nothing. Each process inherits a
locked file: while the lock is held, the process of that number is still the one that was started.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from quorate.errors import ProcessFailed

PAUSE_SECONDS = 0.05
_LOCK_DESCRIPTOR = 3
"""The first one after stdin, stdout and stderr."""
_children: set[int] = set()
"""Started by this very process and not waited for yet: until then their numbers are not given anew."""


def spawn_python(arguments: Sequence[str], *, lock: Path, log: Path) -> int:
    """Start Python with `arguments` in a session of its own, its output appended to `log`; return its number.

    Raises ProcessFailed if the process that holds the lock is still running.
    """
    with lock.open("ab") as held, log.open("ab") as output:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessFailed(f"process of {lock}", expected="none", got="one that runs") from error
        number = os.posix_spawn(
            sys.executable,
            [sys.executable, *arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
                (os.POSIX_SPAWN_DUP2, held.fileno(), _LOCK_DESCRIPTOR),
            ],
            setsid=True,
        )
    _children.add(number)
    return number


def is_running(lock: Path) -> bool:
    """Return whether the process that inherited this lock is still there."""
    if not lock.exists():
        return False
    with lock.open("ab") as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def end(number: int, *, lock: Path, patience: float) -> None:
    """End a process: ask it to, and kill it once `patience` seconds have passed; nothing happens if it is gone."""
    if is_running(lock):
        os.kill(number, signal.SIGTERM if patience else signal.SIGKILL)
        if not _gone(lock, patience):
            os.kill(number, signal.SIGKILL)
            while not _gone(lock, PAUSE_SECONDS):
                pass
    if number in _children:
        _children.discard(number)
        os.waitpid(number, 0)


def _gone(lock: Path, seconds: float) -> bool:
    """Return whether a process is gone before so many seconds have passed."""
    until = time.monotonic() + seconds
    while is_running(lock):
        if time.monotonic() >= until:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
