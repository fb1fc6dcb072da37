"""The demo's way to the command line: the commands that each host would type, as processes of their own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from quorate.errors import ProcessFailed


def run_commands(commands: Sequence[Sequence[str]], *, folder: Path) -> None:
    """Run `quorate` commands side by side in a folder, and wait for all; raises ProcessFailed with what one said."""
    running = [
        subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "quorate", *arguments, "--format", "json"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for arguments in commands
    ]
    answers = [process.communicate()[0] for process in running]
    for arguments, process, answer in zip(commands, running, answers, strict=True):
        if process.returncode:
            raise ProcessFailed(
                f"quorate {' '.join(arguments)}", expected="exit code 0", got=f"{process.returncode}: {answer.strip()}"
            )
