"""Making a failing run small: whatever can be left out, while the same invariant still breaks, is left out.

Delta debugging over the shape of a run (Zeller & Hildebrandt 2002, in its simplest form): one thing at a time, again
and again, until nothing more can go. What is drawn during the run follows from the same seed, but another shape asks
for it in another order; so a smaller run is another run, and is kept only if it fails in the same way.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from tests.simulation.faults import NO_FAULTS
from tests.simulation.runs import failure_of
from tests.simulation.shapes import Shape

Failure = Callable[[Shape], str | None]
"""Names the invariant that a run breaks, if it breaks one."""


def shrink(shape: Shape, failing: Failure = lambda shape: failure_of(shape)) -> Shape:  # noqa: PLW0108 - late binding
    """Return the smallest shape found that breaks what this one breaks; raises ValueError if it breaks nothing."""
    wanted = _name(failing(shape))
    if wanted is None:
        raise ValueError(f"seed {shape.seed} breaks nothing")
    while True:
        smaller = next((one for one in smaller_ones(shape) if _name(failing(one)) == wanted), None)
        if smaller is None:
            return shape
        shape = smaller


def _name(failure: str | None) -> str | None:
    """Return the invariant that a failure speaks of: the rest differs from run to run."""
    return None if failure is None else failure.partition(":")[0]


def smaller_ones(shape: Shape) -> Iterator[Shape]:
    """Yield shapes that have one thing less, the greatest things first."""
    yield from _fewer_cuts(shape)
    for name in ("villains", "troubles", "errands"):
        for fewer in _fewer(getattr(shape, name)):
            change: dict[str, Any] = {name: fewer}
            yield replace(shape, **change)
    if any(errand.again for errand in shape.errands):
        yield replace(shape, errands=tuple(replace(errand, again=()) for errand in shape.errands))
    for field in fields(shape.faults):
        calm = getattr(NO_FAULTS, field.name)
        if getattr(shape.faults, field.name) != calm:
            yield replace(shape, faults=replace(shape.faults, **{field.name: calm}))
    yield from _smaller_cluster(shape)


def _fewer(many: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if len(many) > 3:
        yield many[: len(many) // 2]
        yield many[len(many) // 2 :]
    for place in range(len(many)):
        yield many[:place] + many[place + 1 :]


def _fewer_cuts(shape: Shape) -> Iterator[Shape]:
    if shape.cuts is None:
        return
    yield replace(shape, cuts=None)
    for cuts in shape.cuts.fewer():
        yield replace(shape, cuts=cuts)


def _smaller_cluster(shape: Shape) -> Iterator[Shape]:
    if shape.learners and not any(errand.item.startswith(b"+") for errand in shape.errands):
        yield replace(shape, learners=0)
    if shape.window > 1:
        yield replace(shape, window=shape.window // 2)
    if shape.size > 4 and not shape.villains and not shape.learners:
        yield replace(shape, size=shape.size - 1)
    if shape.seconds > 2:
        yield replace(shape, seconds=shape.seconds / 2)
