"""What runs are drawn from really happens in them, for every size: a simulator that harms nothing proves nothing."""

import pytest

from ledger.quantities import ValidatorId
from tests.simulation.families import TROUBLES, draw
from tests.simulation.faults import Faults
from tests.simulation.lies import LATE
from tests.simulation.runs import run_world
from tests.simulation.test_simulation import FIRST, SEEDS
from tests.simulation.world import World

SIZES = range(4, 10)
EVERYTHING = {
    "lost",
    "duplicated",
    "overtaken",
    "crash before append",
    "crash after append",
    "crash before sync",
    "crash after sync",
    "crash after seal",
    "two proposals",
    "view-change",
    "view-entered",
    "appended",
}
HARSH = Faults(loss=0.1, duplicate=0.2, delay=0.1, busy=0.05, crash=0.05, partition=0.6, cut=0.1)
RUNS_MAX = 60


def with_a_lying_primary(size: int, seed: int) -> World:
    """Return a world whose first primary has a twin that tells some of the others another story."""
    world = World(size=size, seed=seed, faults=HARSH)
    primary = world.nodes[0].id + 1
    others = [who for who in range(size) if who != primary]
    world.add_twin(ValidatorId(primary), frozenset(ValidatorId(who) for who in others[: size // 2]))
    return world


@pytest.mark.parametrize("size", SIZES)
def test_every_fault_happens_at_every_size(size: int) -> None:
    happened: set[str] = set()
    for seed in range(RUNS_MAX):
        world = run_world(with_a_lying_primary(size, seed))
        happened |= {name for name, count in world.happened.items() if count}
        if happened >= EVERYTHING:
            return
    raise AssertionError(f"{size} validators, {RUNS_MAX} runs without {EVERYTHING - happened}")


def test_the_seeds_of_the_tests_draw_every_size_fault_family_and_kind_of_byzantine_validator() -> None:
    shapes = [draw(seed) for seed in range(FIRST, FIRST + SEEDS)]
    assert {shape.size for shape in shapes} == set(SIZES)
    assert {shape.family for shape in shapes} == {"mixed", "harsh", "cut", "lies", "views"}
    assert {1, 2, 4, 64} <= {shape.window for shape in shapes}
    for name in {*Faults.__slots__} - {"partition"}:  # that one is for worlds that tests make themselves
        assert len({getattr(shape.faults, name) for shape in shapes}) > 1, name
    kinds = [villain.kind for shape in shapes for villain in shape.villains]
    assert {"twin", "double", "liar", "peer", "slow", "deaf", "mute", "impostor"} <= {*kinds}
    assert {trouble.kind for shape in shapes for trouble in shape.troubles} == {*TROUBLES, *LATE}
    assert any(shape.learners for shape in shapes)
    assert any(errand.again for shape in shapes for errand in shape.errands)
