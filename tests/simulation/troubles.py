"""Carrying out what goes wrong for a while."""

import random
from collections.abc import Callable

from ledger.quantities import ValidatorId
from tests.simulation.node import Node
from tests.simulation.shapes import Trouble
from tests.simulation.world import World

CENSORED = ["PRE_PREPARE", "PREPARE", "COMMIT", "COMMIT", "ViewChange", "NewView", "Proposal", "Finality"]
"""What may fail to reach some validators for a while: the cuts between PBFT's phases are where its bugs are."""
DECIDING = ["Votes", "Proposal", "Finality", "NewView", "Blocks"]
"""Everything that takes a replica further; heartbeats are left."""
CLOGGED_SECONDS = 1.0


def schedule(world: World, number: int, trouble: Trouble) -> None:
    """Let it begin and end in its time; each draws from a chance of its own, so that leaving one out moves no other."""
    chance = random.Random(f"trouble {number} {world.seed}")

    def happen() -> None:
        world.happened[trouble.kind] += 1
        if trouble.who is None:
            end = _KINDS[trouble.kind](world, chance, trouble.seconds)
        else:
            end = _AT_ONE[trouble.kind](world, trouble.who)
        world.note(f"trouble: {trouble.kind} for {trouble.seconds:.1f} s")
        world.at(world.now + trouble.seconds, end)

    world.at(trouble.at, happen)


def _ids(world: World) -> list[ValidatorId]:
    return sorted({node.id for node in world.nodes})


def _split(world: World, chance: random.Random, _seconds: float) -> Callable[[], None]:
    world.groups = {who: chance.randrange(2) for who in _ids(world)}
    return world.groups.clear


def _alone(world: World, chance: random.Random, _seconds: float) -> Callable[[], None]:
    lonely = chance.choice(_ids(world))
    world.groups = {who: int(who == lonely) for who in _ids(world)}
    return world.groups.clear


def _primary(world: World, _chance: random.Random, _seconds: float) -> Callable[[], None]:
    """Cut off whoever is the primary of the highest view."""
    engines = [node.engine for node in world.honest if node.engine is not None]
    if not engines:
        return world.groups.clear
    leader = max(engines, key=lambda engine: (engine.head.era, engine.view)).primary
    world.groups = {who: int(who == leader) for who in _ids(world)}
    return world.groups.clear


def _one_way(world: World, chance: random.Random, _seconds: float) -> Callable[[], None]:
    ids = _ids(world)
    cut = {(a, b) for a in ids for b in ids if a != b and chance.random() < 0.3}
    world.cut_links |= cut
    return lambda: world.cut_links.difference_update(cut)


def _censor(world: World, chance: random.Random, _seconds: float) -> Callable[[], None]:
    kinds = chance.sample(CENSORED, chance.randint(1, 2))
    censored = {(kind, who) for kind in kinds for who in _ids(world) if chance.random() < 0.7}
    world.censored |= censored
    return lambda: world.censored.difference_update(censored)


def _clog(world: World, chance: random.Random, _seconds: float) -> Callable[[], None]:
    ids = _ids(world)
    clogged = {(a, b): chance.uniform(0.0, CLOGGED_SECONDS) for a in ids for b in ids if chance.random() < 0.3}
    world.clogged.update(clogged)
    return world.clogged.clear


def _pause(world: World, chance: random.Random, seconds: float) -> Callable[[], None]:
    """Stop a process, as SIGSTOP does: what arrives waits, and its timers are late."""
    node = chance.choice(world.nodes)
    node.paused_until = world.now + seconds
    return lambda: None


def _restart_all(world: World, _chance: random.Random, _seconds: float) -> Callable[[], None]:
    for node in _running(world):
        world.kill(node)
    return lambda: None


def _full_disk(world: World, chance: random.Random, seconds: float) -> Callable[[], None]:
    """Let every write of one process fail: it stops, and starts again in vain until there is room."""
    node = chance.choice(world.nodes)
    node.disk.full_until = world.now + seconds
    return lambda: None


def _eclipse(world: World, who: ValidatorId) -> Callable[[], None]:
    """Let one hear of the Byzantine ones alone."""
    cut = {(node.id, who) for node in world.honest if node.id != who}
    world.cut_links |= cut
    return lambda: world.cut_links.difference_update(cut)


def _starve(world: World, who: ValidatorId) -> Callable[[], None]:
    """Let one hear how far the others are, and nothing that would take it there."""
    censored = {(kind, who) for kind in DECIDING}
    world.censored |= censored
    return lambda: world.censored.difference_update(censored)


def _running(world: World) -> list[Node]:
    return [node for node in world.honest if node.engine is not None]


_KINDS: dict[str, Callable[[World, random.Random, float], Callable[[], None]]] = {
    "split": _split,
    "alone": _alone,
    "primary": _primary,
    "one-way": _one_way,
    "censor": _censor,
    "clog": _clog,
    "pause": _pause,
    "restart-all": _restart_all,
    "full-disk": _full_disk,
}
_AT_ONE: dict[str, Callable[[World, ValidatorId], Callable[[], None]]] = {"eclipse": _eclipse, "starve": _starve}
