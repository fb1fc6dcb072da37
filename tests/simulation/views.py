"""The family of shapes that is about view changes: a share of the seeds of its own.

cut        an adversary follows a plot over several views (`view_cuts`), with or without a Byzantine validator
two-faced  validators say one VIEW-CHANGE here and another one there, whenever a view ends
asleep     validators hear nothing while the others change the view and go on; then they are to be told
crier      nothing goes wrong, except that Byzantine validators call for other views: no honest one may follow
"""

import random
from dataclasses import replace

from ledger.quantities import ValidatorId, faulty_max
from tests.simulation.faults import Faults
from tests.simulation.shapes import Errand, Shape, Trouble, Villain
from tests.simulation.view_cuts import ViewCuts, ViewPlan, draw_view_cuts

SECONDS = {1: 5.0, 2: 7.0, 3: 10.0, 4: 18.0}
"""Enough for so many views, each twice as long as the one before."""
QUIET_SECONDS = 6.0


def draw_views(seed: int, chance: random.Random) -> Shape:
    """Return the shape of a seed's run."""
    scene = chance.choices([_cut, _two_faced, _asleep, _crier], weights=[8, 1, 1, 1])[0]
    return scene(seed, chance)


def _cut(seed: int, chance: random.Random) -> Shape:
    size = chance.choice([4, 4, 4, 4, 4, 5, 6, 7])
    kind = chance.choices(["none", "forger", "twin", "double", "mute"], weights=[5, 3, 1, 1, 1])[0]
    cuts = draw_view_cuts(chance, size)
    seconds = SECONDS[len(cuts.plans)]
    late = chance.choice([0, 0, 1, 2])
    return Shape(
        seed=seed,
        family="views",
        size=size,
        window=chance.choice([1, 2, 2, 3, 4]),
        seconds=seconds,
        faults=Faults(delay=0.01, busy=chance.choice([0.0, 0.005]), crash=chance.choice([0.0, 0.0, 0.0, 0.005])),
        errands=(*_errands(chance, 0, chance.randint(2, 4), 0.6), *_errands(chance, 4, late, 0.8 * seconds)),
        villains=_villains(chance, kind, size, seconds),
        cuts=cuts,
        few=chance.random() < 0.4,
    )


def _quiet(seed: int, chance: random.Random, size: int) -> Shape:
    """Return a short run in which nothing goes wrong yet."""
    return Shape(
        seed=seed,
        family="views",
        size=size,
        window=chance.choice([1, 2, 4]),
        seconds=QUIET_SECONDS,
        faults=Faults(delay=0.01),
        errands=(),
    )


def _two_faced(seed: int, chance: random.Random) -> Shape:
    size = chance.choice([4, 4, 4, 5, 7])
    at = chance.uniform(1.0, 3.0)
    return replace(
        _quiet(seed, chance, size),
        errands=_errands(chance, 0, chance.randint(4, 10), QUIET_SECONDS - 1),
        troubles=(Trouble(kind="primary", at=at, seconds=chance.uniform(1.5, 3.0)),),
        villains=_villains(chance, "two-faced", size, QUIET_SECONDS),
        few=chance.random() < 0.4,
    )


def _asleep(seed: int, chance: random.Random) -> Shape:
    size = chance.choice([4, 4, 5, 6, 7])
    prepared = frozenset(map(ValidatorId, chance.sample(range(size), chance.randint(0, size))))
    sleepers = [replace(villain, audience=frozenset()) for villain in _villains(chance, "deaf", size, QUIET_SECONDS)]
    return replace(
        _quiet(seed, chance, size),
        errands=_errands(chance, 0, chance.randint(1, 4), 2.0),
        villains=tuple(sleepers),
        cuts=ViewCuts(plans=(ViewPlan(prepares=prepared, commits=frozenset()),), closed=False, dumb=False),
    )


def _crier(seed: int, chance: random.Random) -> Shape:
    size = chance.choice([4, 4, 5, 6, 7])
    return replace(
        _quiet(seed, chance, size),
        errands=_errands(chance, 0, chance.randint(2, 10), QUIET_SECONDS - 1),
        villains=_villains(chance, "crier", size, QUIET_SECONDS),
        calm=True,
    )


def _errands(chance: random.Random, first: int, count: int, seconds: float) -> tuple[Errand, ...]:
    numbers = range(first, first + count)
    return tuple(Errand(item=f"item {number}".encode(), at=chance.uniform(0.0, seconds)) for number in numbers)


def _villains(chance: random.Random, kind: str, size: int, seconds: float) -> tuple[Villain, ...]:
    if kind == "none":
        return ()
    villains = []
    for who in chance.sample(range(size), faulty_max(size)):
        others = [ValidatorId(other) for other in range(size) if other != who]
        villains.append(
            Villain(
                kind=kind,
                who=ValidatorId(who),
                audience=frozenset(chance.sample(others, chance.randint(1, len(others) - 1))),
                rate=chance.choice([0.3, 0.8, 1.0]),
                at=chance.uniform(0.0, seconds),
            )
        )
    return tuple(villains)
