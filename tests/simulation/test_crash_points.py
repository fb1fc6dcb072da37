"""A crash at every single point where something was just written, or not yet, of a run with a view change in it."""

import pytest

from tests.simulation.checker import Violation
from tests.simulation.runs import settled
from tests.simulation.world import Faults, World

ITEMS = [b"first", b"second"]
CHUNKS = 12
"""So that several processes share the work."""
QUIET = Faults(delay=0.01)


def run(window: int, crash_at: int | None) -> World:
    """Decide an item in view 0 and one in view 1, as its primary is cut off for a while; crash at one point."""
    world = World(size=4, seed=5, window=window, faults=QUIET, crash_at=crash_at)
    world.start_all()
    for node in world.nodes:
        world.at(0.0, lambda node=node: world.submit(node, ITEMS[0]))  # type: ignore[misc]
        world.at(0.3, lambda node=node: world.submit(node, ITEMS[1]))  # type: ignore[misc]
    primary = world.context.primary(world.nodes[0].engine.view)  # type: ignore[union-attr]
    world.at(0.2, lambda: world.groups.update({who: int(who == primary) for who in world.context.validators.ids}))
    world.at(2.0, world.groups.clear)
    for node in world.nodes:
        for item in ITEMS:  # a process that has lost them hears of them again
            world.at(5.0, lambda node=node, item=item: world.submit(node, item))  # type: ignore[misc]
    if not world.run(60.0, done=lambda: settled(world, ITEMS)):
        raise Violation(f"liveness after a crash at point {crash_at}")
    return world


def test_the_run_itself_has_a_view_change_and_no_crash() -> None:
    world = run(1, None)
    assert any("view-entered" in line for line in world.transcript)
    assert not any("crashes" in line for line in world.transcript)
    assert world.points > 60


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_crash_at_every_point(chunk: int, window: int) -> None:
    points = run(window, None).points
    for point in range(1 + chunk, points + 1, CHUNKS):
        world = run(window, point)
        assert any("crashes" in line for line in world.transcript)
