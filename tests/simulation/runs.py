"""One seeded run in two phases: faults, then healing with a bound on how long everything may take to be decided."""

import random

from ledger.quantities import ValidatorId
from tests.simulation.checker import Violation
from tests.simulation.faults import NO_FAULTS, Faults
from tests.simulation.node import Node
from tests.simulation.world import World

FAULTY_SECONDS = 8.0
HEALED_SECONDS = 60.0
CENSORED = ["PRE_PREPARE", "PREPARE", "COMMIT", "COMMIT", "ViewChange", "NewView", "Proposal", "Finality"]
"""What may fail to reach some validators for a while: the cuts between PBFT's phases are where its bugs are."""


def run_seed(seed: int) -> World:
    """Run one seed; raises Violation, or whatever escaped the engine, when a promise is broken."""
    return run_world(build(seed))


def run_world(world: World) -> World:
    """Run a world through both phases; raises as `run_seed`."""
    items = [f"item {number}".encode() for number in range(world.chance.randint(3, 20))]
    try:
        _faulty_phase(world, items)
        _healing_phase(world, items)
    except BaseException as error:
        error.add_note(f"replay with: python -m tests.simulation --seed {world.seed}")
        raise
    return world


def build(seed: int) -> World:
    """Draw the shape of a run from its seed."""
    chance = random.Random(f"shape {seed}")
    size = chance.choice([4, 4, 4, 5, 6, 7, 8, 9])
    faults = Faults(
        loss=chance.choice([0.0, 0.0, 0.05, 0.3]),
        duplicate=chance.choice([0.0, 0.2, 0.5]),
        delay=chance.choice([0.005, 0.02, 0.1, 0.4]),
        busy=chance.choice([0.0, 0.0, 0.01, 0.2]),
        crash=chance.choice([0.0, 0.002, 0.01, 0.03]),
        partition=chance.choice([0.0, 0.2, 0.6]),
        skew=chance.choice([0.0, 1.0, 3.0]),
        jump=chance.choice([0.0, 0.0, 0.2]),
        cut=chance.choice([0.0, 0.1]),
    )
    world = World(size=size, seed=seed, window=chance.choice([1, 1, 1, 4]), faults=faults)
    byzantine = chance.choice(["none", "twin", "twin", "liar", "liar", "deaf", "mute", "mute"])
    for who in chance.sample(range(size), world.context.validators.faulty_max):
        others = [ValidatorId(other) for other in range(size) if other != who]
        if byzantine == "twin":
            world.add_twin(ValidatorId(who), frozenset(chance.sample(others, chance.randint(1, len(others) - 1))))
        elif byzantine == "liar":
            world.add_liar(ValidatorId(who), rate=chance.choice([0.05, 0.3, 0.8]))
        elif byzantine == "deaf":
            world.nodes[who].audience = frozenset(chance.sample(others, len(others) // 2))
        elif byzantine == "mute":
            world.at(chance.uniform(0.0, FAULTY_SECONDS), lambda node=world.nodes[who]: world.silence(node))  # type: ignore[misc]
    return world


def _faulty_phase(world: World, items: list[bytes]) -> None:
    world.start_all()
    for item in items:
        when = world.chance.uniform(0.0, FAULTY_SECONDS * 0.8)
        for node in world.nodes:
            if not node.honest or world.chance.random() < 0.8:
                later = when + world.chance.uniform(0.0, 0.5)
                world.at(later, lambda node=node, item=item: world.submit(node, item))  # type: ignore[misc]
    for second in range(int(FAULTY_SECONDS)):
        if world.chance.random() < world.faults.partition:
            world.at(float(second), lambda: _split(world))
            world.at(second + world.chance.uniform(0.5, 4.0), lambda: _join(world))
        if world.chance.random() < world.faults.jump:
            world.at(float(second), lambda: _jump(world))
    world.run(FAULTY_SECONDS)


def _split(world: World) -> None:
    ids = world.context.validators.ids
    how = world.chance.randrange(3)
    if how == 0:
        world.groups.update({node.id: world.chance.randrange(2) for node in world.nodes})
        world.note(f"partition {world.groups}")
    elif how == 1:
        world.cut_links |= {(a, b) for a in ids for b in ids if a != b and world.chance.random() < 0.3}
        world.note(f"cut {sorted(world.cut_links)}")
    else:
        kinds = world.chance.sample(CENSORED, world.chance.randint(1, 2))
        world.censored |= {(kind, who) for kind in kinds for who in ids if world.chance.random() < 0.7}
        world.note(f"censored {sorted(world.censored)}")


def _join(world: World) -> None:
    world.groups.clear()
    world.cut_links.clear()
    world.censored.clear()


def _jump(world: World) -> None:
    node = world.chance.choice(world.nodes)
    node.skew_ms = world.draw_skew()
    world.note(f"{node.id} sets its clock to {node.skew_ms:+} ms")


def _healing_phase(world: World, items: list[bytes]) -> None:
    world.note("healed")
    world.faults = NO_FAULTS
    _join(world)
    for node in world.nodes:
        if node.honest:
            node.audience = None
            if node.engine is None:
                world.start(node)
        for item in items:
            world.submit(node, item)
    if not world.run(FAULTY_SECONDS + HEALED_SECONDS, done=lambda: settled(world, items)):
        heads = {node.id: len(node.disk.blocks) for node in world.honest}
        raise Violation(f"liveness: not everything decided {HEALED_SECONDS} s after healing, heads {heads}")


def settled(world: World, items: list[bytes]) -> bool:
    """Return whether every honest process has decided all items, each once, and they are equally far."""
    heads = {len(node.disk.blocks) for node in world.honest}
    return len(heads) == 1 and all(_decided(node) >= set(items) for node in world.honest)


def _decided(node: Node) -> set[bytes]:
    if node.application is None:
        return set()
    decided = [item for certified in node.disk.blocks for item in certified.block.transactions]
    if len(decided) != len(set(decided)):
        raise Violation(f"exactly once: {node.id} has an item twice")
    return set(decided)
