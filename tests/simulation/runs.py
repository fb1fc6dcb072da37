"""One seeded run in two phases: faults, then healing with a bound on how long everything may take to be decided."""

import gc
import random
from collections.abc import Iterator
from contextlib import contextmanager

from consensus.engine import Engine
from ledger.blocks import BlockHeader
from ledger.quantities import Era, ValidatorId, View
from tests.simulation import memo, troubles
from tests.simulation.bounds import check_bounds
from tests.simulation.families import draw
from tests.simulation.node import Node
from tests.simulation.shapes import FAULTY_SECONDS, Errand, Shape, Trouble, Villain
from tests.simulation.view_liars import VIEW_LIARS
from tests.simulation.violation import Violation
from tests.simulation.world import World

HEALED_SECONDS = 60.0
SLOW_SECONDS = 0.9
"""How long a slow primary sits on its proposals; the view timeout of a run is one second."""


def run_seed(seed: int) -> World:
    """Run one seed; raises Violation, or whatever escaped the engine, when a promise is broken."""
    return run_shape(draw(seed))


def run_shape(shape: Shape) -> World:
    """Run a shape; raises as `run_seed`."""
    with collected_afterwards():
        return run_world(build(shape), shape)


@contextmanager
def collected_afterwards() -> Iterator[None]:
    """Leave cyclic garbage until later: a run is short, and to look for it meanwhile costs a tenth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def failure_of(shape: Shape) -> str | None:
    """Return what a run breaks, in one line that begins with the invariant; None if it breaks nothing."""
    try:
        run_shape(shape)
    except Exception as error:  # noqa: BLE001 - whatever escapes is a finding
        kind = type(error).__name__
        return str(error) if isinstance(error, Violation) else f"{kind}: {error}"
    return None


def build(shape: Shape) -> World:
    """Return the world of a shape before anything has happened."""
    world = World(size=shape.size, seed=shape.seed, window=shape.window, faults=shape.faults, is_real=shape.is_real)
    for _ in range(shape.learners):
        world.add_learner()
    for villain in shape.villains:
        _add_villain(world, villain)
    world.cuts = shape.cuts
    world.checker.calm = shape.calm
    return world


def run_world(world: World, shape: Shape | None = None) -> World:
    """Run a world through both phases, by a shape or by what its faults and its chance give; raises as `run_seed`."""
    memo.install()
    seconds = FAULTY_SECONDS if shape is None else shape.seconds
    errands, planned = _improvised(world) if shape is None else (shape.errands, shape.troubles)
    items = [world.bytes_of(errand.item) for errand in errands]
    try:
        world.start_all()
        for errand in errands:
            _send_out(world, errand)
        for number, trouble in enumerate(planned):
            troubles.schedule(world, number, trouble)
        if world.faults.jump:
            for second in range(int(seconds)):
                world.at(float(second), _jump, world)
        world.run(seconds)
        check_bounds(world)
        _heal(world, items)
        if shape is not None and shape.few:
            _tell_few(world, items)
        check_bounds(world)
    except BaseException as error:
        error.add_note(f"replay with: python -m tests.simulation --seed {world.seed}")
        raise
    return world


def _add_villain(world: World, villain: Villain) -> None:
    node = world.nodes[villain.who]
    match villain.kind:
        case "twin":
            world.add_twin(villain.who, villain.audience)
        case "double":
            world.add_twin(villain.who, None)
        case "liar":
            world.add_liar(villain.who, rate=villain.rate)
        case "peer":
            world.add_liar(villain.who, rate=villain.rate, catch_up_only=True)
        case "impostor":
            world.add_impostor(villain.who, rate=villain.rate, habits=villain.habits, favoured=villain.audience)
        case kind if kind in VIEW_LIARS:
            _add_view_liar(world, node, villain)
        case "slow":
            node.proposal_delay = SLOW_SECONDS
            node.honest = False
        case "deaf":
            node.audience = villain.audience
        case "mute":
            world.at(villain.at, lambda: world.silence(node))
        case _:
            raise AssertionError(villain.kind)


def _add_view_liar(world: World, node: Node, villain: Villain) -> None:
    def head() -> BlockHeader:
        return node.disk.blocks[-1].block.header if node.disk.blocks else world.genesis

    node.honest = False
    node.liar = VIEW_LIARS[villain.kind](
        chance=random.Random(f"{villain.kind} {villain.who} {world.seed}"),
        validator=villain.who,
        key=node.key,
        context=world.context,
        rate=villain.rate,
        head=head,
    )


def _improvised(world: World) -> tuple[list[Errand], list[Trouble]]:
    chance = random.Random(f"errands {world.seed}")
    count = chance.randint(3, 20)
    errands = [Errand(item=f"item {number}".encode(), at=chance.uniform(0.0, 6.4)) for number in range(count)]
    planned = [
        Trouble(kind=chance.choice(["split", "one-way", "censor"]), at=float(second), seconds=chance.uniform(0.5, 4.0))
        for second in range(int(FAULTY_SECONDS))
        if chance.random() < world.faults.partition
    ]
    return errands, planned


def _send_out(world: World, errand: Errand) -> None:
    item = world.bytes_of(errand.item)
    for when in (errand.at, *errand.again):
        for node in world.nodes:
            if not node.honest or world.checker.calm or world.chance.random() < 0.8:
                later = when + world.chance.uniform(0.0, 0.5)
                world.at(later, world.submit, node, item)


def _jump(world: World) -> None:
    if world.chance.random() < world.faults.jump:
        node = world.chance.choice(world.nodes)
        node.skew_ms = world.draw_skew()
        world.note(f"{node.id} sets its clock to {node.skew_ms:+} ms")


def _heal(world: World, items: list[bytes]) -> None:
    world.note("healed")
    world.heal()
    for node in world.nodes:
        if node.honest:
            node.audience = None
            if node.engine is None:
                world.start(node)
        for item in items:
            world.submit(node, item)
    _settle(world, items)


def _tell_few(world: World, items: list[bytes]) -> None:
    """Give an item to so many honest validators that they can end a view together, and wait until it is decided."""
    chance = random.Random(f"few {world.seed}")
    item = world.bytes_of(b"for few")
    few = chance.sample(world.honest, min(world.context.validators.weak_quorum, len(world.honest)))
    for node in few:
        world.submit(node, item)
    world.note(f"{sorted(node.id for node in few)} are given one more item")
    _settle(world, [*items, item])


def _settle(world: World, items: list[bytes]) -> None:
    if world.run(world.now + HEALED_SECONDS, done=lambda: settled(world, items)):
        return
    heads = {node.id: len(node.disk.blocks) for node in world.honest}
    behind = sorted(_left_out(world))
    if _is_decided(world, items):
        raise Violation(
            f"late view: {behind} are not told of the view that others have entered {HEALED_SECONDS} s after healing"
        )
    raise Violation(f"liveness: not everything decided {HEALED_SECONDS} s after healing, heads {heads}")


def settled(world: World, items: list[bytes]) -> bool:
    """Return whether every honest process has decided all items, each once, they are equally far, and nobody left out.

    One that has given up the view in which the others go on may be in a later one, alone.
    """
    return _is_decided(world, items) and not _left_out(world)


def _is_decided(world: World, items: list[bytes]) -> bool:
    heads = {len(node.disk.blocks) for node in world.honest}
    return len(heads) == 1 and all(_decided(node) >= set(items) for node in world.honest)


def _left_out(world: World) -> set[ValidatorId]:
    """Return who has not entered a view of its era that another honest validator has, and wants no later one."""
    replicas = {node.id: node.engine for node in world.honest if isinstance(node.engine, Engine)}
    entered: dict[Era, View] = {}
    for engine in replicas.values():
        if engine.is_active:
            entered[engine.era] = max(engine.view, entered.get(engine.era, View(0)))
    return {
        who for who, engine in replicas.items() if engine.view + engine.is_active <= entered.get(engine.era, View(0))
    }


def _decided(node: Node) -> set[bytes]:
    if node.application is None:
        return set()
    decided = [item for certified in node.disk.blocks for item in certified.block.transactions]
    if len(decided) != len(set(decided)):
        raise Violation(f"exactly once: {node.id} has an item twice")
    return set(decided)
