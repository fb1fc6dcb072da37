"""Every bug of the zoo is found by seeds; one that finds it, as a hunt has shown, is run here."""

import multiprocessing
import re
from pathlib import Path

import pytest

from tests.simulation.zoo import hunt
from tests.simulation.zoo_bugs import BUGS
from tests.simulation.zoo_seeds import KILLED_BY


def test_there_are_enough_bugs_and_each_has_a_name_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 30


def test_every_bug_is_found_and_the_page_says_under_which_seed() -> None:
    assert [*KILLED_BY] == [bug.name for bug in BUGS]
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text("utf-8")
    zoo = page.partition("### The zoo")[2].partition("###")[0]
    rows = re.findall(r"^\| (.+) \| .+ \| (\d+) \|$", zoo, re.MULTILINE)
    assert {name: int(seed) for name, seed in rows} == KILLED_BY


@pytest.mark.parametrize("name", KILLED_BY)
def test_the_seed_that_finds_a_bug(name: str) -> None:
    """In a process of its own: a mutant may leave traces in what is remembered between runs."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_found, (name,))


def _found(name: str) -> bool:
    bug = next(bug for bug in BUGS if bug.name == name)
    return hunt(bug, first=KILLED_BY[name], seeds=1) is not None
