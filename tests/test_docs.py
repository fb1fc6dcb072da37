"""The manual points at what exists: files, headings, commands; and the service unit is one that systemd takes."""

import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from node.errors import OperatorNeeded
from quorate.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
UNIT = ROOT / "docs" / "quorate.service"
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:`|^(?:\$ )?)quorate ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        file, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page if not file else page.parent / file
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    named = set(COMMAND.findall(page.read_text("utf-8")))
    assert {first for first, _ in named} <= set(COMMANDS)
    for first, second in named:
        command = typer.main.get_command(import_module(f"quorate.commands.{first}").app)
        if second and isinstance(command, TyperGroup):
            assert second in command.commands, f"quorate {first} {second}"


def test_the_service_unit_does_not_restart_what_waits_for_a_person() -> None:
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert set(codes.split()) == {"2", str(OperatorNeeded.exit_code)}


def test_systemd_takes_the_service_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here")
    runnable = tmp_path / UNIT.name  # a program that is there, so that only the unit itself is judged
    runnable.write_text(UNIT.read_text("utf-8").replace("/opt/quorate/bin/quorate", "/bin/true"), "utf-8")
    ran = subprocess.run([program, "verify", str(runnable)], capture_output=True, text=True, check=False)
    own = [line for line in ran.stderr.splitlines() if UNIT.name in line]
    assert not own
