"""README tells the truth: its commands run, and print what it says they print."""

from pathlib import Path

import pytest

from tests.tour import README, masked, performed, shown, written


@pytest.mark.processes
def test_the_tour_prints_what_readme_shows(tmp_path: Path) -> None:
    steps = written(README.read_text(encoding="utf-8"))
    assert masked(shown(performed(steps, tmp_path))) == masked(shown(steps))


def test_the_first_commands_are_the_main_job_and_the_tests() -> None:
    before, _, after = README.read_text(encoding="utf-8").partition("```\n")
    assert "```" not in before
    assert after.startswith("make demo\nmake test\n```\n")
