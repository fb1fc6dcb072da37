"""Campaigns go on where they stopped, and failing runs are made small."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.campaign import CHUNK, Tally, run
from tests.simulation.families import draw
from tests.simulation.runs import failure_of
from tests.simulation.shapes import Shape
from tests.simulation.shrinking import shrink
from tests.simulation.zoo_bugs import BUGS


def test_what_was_run_is_written_down_and_not_run_again(tmp_path: Path) -> None:
    assert run(40 * CHUNK, CHUNK, Tally(tmp_path), quiet=True) == {}
    (path,) = tmp_path.iterdir()
    written = path.read_bytes()
    again = Tally(tmp_path)
    assert (again.seeds, again.failures) == (CHUNK, {})
    assert run(40 * CHUNK, CHUNK, again, quiet=True) == {}
    assert path.read_bytes() == written


def test_failures_are_kept_and_told_again(tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    tally.add(7, {7 * CHUNK + 3: "agreement: broken"})
    again = Tally(tmp_path)
    assert run(7 * CHUNK, CHUNK, again, quiet=True) == {7 * CHUNK + 3: "agreement: broken"}
    assert run(0, 0, again, quiet=True) == {}


def _big() -> Shape:
    return next(shape for shape in map(draw, range(1000)) if len(shape.errands) > 10 and shape.villains)


def test_whatever_does_not_matter_is_left_out() -> None:
    shape = _big()
    matters = shape.errands[4]

    def failing(shape: Shape) -> str | None:
        return "agreement: two blocks" if matters in shape.errands and shape.villains else None

    small = shrink(shape, failing)
    assert small.errands == (matters,)
    assert len(small.villains) == 1
    assert (small.troubles, small.cuts, small.window) == ((), None, 1)
    assert failing(small)


def test_a_run_that_fails_in_another_way_is_not_the_same_failure() -> None:
    def failing(shape: Shape) -> str:
        return "agreement: broken" if len(shape.errands) > 5 else "liveness: stuck"

    assert len(shrink(_big(), failing).errands) == 6


def test_a_run_that_breaks_nothing_cannot_be_shrunk() -> None:
    with pytest.raises(ValueError, match="breaks nothing"):
        shrink(_big(), lambda _: None)


def test_a_planted_bug_is_shrunk_with_real_runs() -> None:
    bug = next(bug for bug in BUGS if bug.name == "commit without the prefix rule")
    with bug.planted():
        found = next(shape for shape in map(draw, range(300)) if _broken(shape) == "prefix")
        small = shrink(replace(found, troubles=()) if _broken(replace(found, troubles=())) == "prefix" else found)
        assert _broken(small) == "prefix"
    assert len(small.errands) <= len(found.errands)


def _broken(shape: Shape) -> str | None:
    failure = failure_of(shape)
    return None if failure is None else failure.partition(":")[0]
