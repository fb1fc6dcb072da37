"""A crash at every single point where something was just written, or not yet, of a run with a view change in it.

Where records were written and not synced, every prefix of them survives once.
"""

from functools import cache

import pytest

from consensus.records import decode_record
from tests.simulation.faults import Faults
from tests.simulation.runs import settled
from tests.simulation.violation import Violation
from tests.simulation.world import World

ITEMS = [b"first", b"second"]
CHUNKS = 12
"""So that several processes share the work."""
QUIET = Faults(delay=0.01)
POINTS = {"before append", "after append", "before sync", "after sync", "after seal"}


def run(window: int, crash_at: int | None, keeps: int | None = None) -> World:
    """Decide an item in view 0 and one in view 1, as its primary is cut off for a while; crash at one point."""
    world = World(size=4, seed=5, window=window, faults=QUIET, crash_at=crash_at, crash_keeps=keeps)
    world.start_all()
    for node in world.nodes:
        world.at(0.0, world.submit, node, ITEMS[0])
        world.at(0.3, world.submit, node, ITEMS[1])
    primary = world.context.primary(world.nodes[0].engine.view)  # type: ignore[union-attr]
    world.at(0.2, lambda: world.groups.update({who: int(who == primary) for who in world.context.validators.ids}))
    world.at(2.0, world.groups.clear)
    for node in world.nodes:
        for item in ITEMS:  # a process that has lost them hears of them again
            world.at(5.0, world.submit, node, item)
    if not world.run(60.0, done=lambda: settled(world, ITEMS)):
        raise Violation(f"liveness after a crash at point {crash_at}")
    return world


@cache
def crashes(window: int) -> list[tuple[int, int]]:
    """Return every persist point with every number of records that may survive there."""
    points = run(window, None).points
    return [(point, keeps) for point, (_, unsynced) in enumerate(points, 1) for keeps in range(len(unsynced) + 1)]


def test_the_run_itself_has_a_view_change_every_kind_of_record_and_no_crash() -> None:
    world = run(1, None)
    assert world.happened["view-entered"]
    assert not any("crash" in name for name in world.happened)
    kinds = {type(decode_record(data)).__name__ for _, unsynced in world.points for data in unsynced}
    assert len(kinds) == 6, kinds
    assert {where for where, _ in world.points} == POINTS, "either side of every write"


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_b8_a_crash_at_every_point(chunk: int, window: int) -> None:
    for point, keeps in crashes(window)[chunk::CHUNKS]:
        world = run(window, point, keeps)
        assert sum(world.happened[f"crash {where}"] for where in POINTS) == 1
