"""README's tour, as commands and what they print: `python -m tests.tour` runs it and writes the real output there."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
MARK = "--- tour, command "
SECONDS_MAX = 540
_BLOCK = re.compile(r"(?<=```console\n).*?(?=```\n)", re.DOTALL)
_EXPORT = "export QUORATE_NODE="


@dataclass(frozen=True, slots=True)
class Step:
    """A command as it is typed, continued lines included, and what it prints."""

    command: str
    output: str


def written(text: str) -> list[Step]:
    """Return the steps that README shows."""
    found = _BLOCK.search(text)
    assert found is not None
    steps: list[Step] = []
    for line in found[0].splitlines():
        if line.startswith("$ "):
            steps.append(Step(line.removeprefix("$ "), ""))
        elif line.startswith("> "):
            steps[-1] = Step(f"{steps[-1].command}\n{line.removeprefix('> ')}", "")
        else:
            steps[-1] = Step(steps[-1].command, f"{steps[-1].output}{line}\n")
    return steps


def performed(steps: list[Step], folder: Path) -> list[Step]:
    """Run the commands in one shell, in a new folder beside the examples, and return them with what they printed.

    The network stands at other addresses each time, so the second command is what the first one says at its end.
    """
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    first = _run(steps[:1], folder)
    exported = first[0].output.rpartition("next: ")[2].strip()
    assert exported.startswith(_EXPORT)
    try:
        return first + _run([Step(exported, ""), *steps[2:]], folder)
    finally:
        _run(steps[-1:], folder)


def _run(steps: list[Step], folder: Path) -> list[Step]:
    script = "set -eo pipefail\n" + "".join(f"echo '{MARK}'\n{step.command}\n" for step in steps)
    answer = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - whichever bash the user has
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    outputs = answer.stdout.split(f"{MARK}\n")[1:]
    return [Step(step.command, output) for step, output in zip(steps, outputs, strict=True)]


def masked(text: str) -> str:
    """Return text without what differs each time: digests, numbers, and the widths that follow from them."""
    text = re.sub(r"\b(?:[0-9a-f]{4} ){2,}[0-9a-f]{4}(?:\s+(?:[0-9a-f]{4} )*[0-9a-f]{4})?\b", "HEX", text)
    text = re.sub(r"\b[0-9a-f]{12,}\b", "HEX", text)
    text = re.sub(r"\b[0-9]+(?:, [0-9]+)*\b", "N", text)
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def shown(steps: list[Step]) -> str:
    """Return steps as README shows them."""
    commands = (step.command.replace("\n", "\n> ") for step in steps)
    return "".join(f"$ {command}\n{step.output}" for command, step in zip(commands, steps, strict=True))


if __name__ == "__main__":
    page = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        fresh = shown(performed(written(page), Path(place)))
    README.write_text(_BLOCK.sub(lambda _: fresh, page, count=1), encoding="utf-8")
