"""The families of shapes that share the seeds.

`mixed` runs draw everything; `harsh` ones are small, and much goes wrong in them; `cut` ones let an adversary decide,
view by view and phase by phase, whom which votes reach: the splits in which the bugs of view changes live, and which
chance alone hardly ever draws four times in a row. Other families have modules of their own.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from ledger.quantities import ValidatorId, faulty_max
from tests.simulation.chain import ADD, REMOVE, ROTATE
from tests.simulation.cuts import Cuts
from tests.simulation.faults import Faults
from tests.simulation.lies import draw_lies
from tests.simulation.real_changes import dated
from tests.simulation.shapes import Errand, Shape, Trouble, Villain
from tests.simulation.views import draw_views

CUT_SECONDS = {1: 3.0, 2: 5.0, 3: 8.0, 4: 14.0, 5: 14.0}
"""Enough for so many views, each twice as long as the one before; for four of the five."""
SECONDS = (2.0, 3.0, 5.0, 8.0)
"""How long faults last in `mixed` and `harsh` runs; the view timeout is one second."""
SIZES = (4, 5, 6, 7, 8, 9)
SIZE_WEIGHTS = (68, 10, 8, 6, 4, 4)
"""Most are the smallest set that bears a fault, one in seven bears two: more cost much and show little more."""
REAL_RATE = 0.2
TROUBLES = ["split", "one-way", "censor", "alone", "primary", "pause", "restart-all", "clog", "full-disk"]


def draw(seed: int) -> Shape:
    """Return the shape of a seed's run."""
    chance = random.Random(f"shape {seed}")
    family = FAMILIES_OF_SEEDS.get(seed % 8) or chance.choices([_mixed, _harsh, _cut], weights=[5, 3, 4])[0]
    shape = family(seed, chance)
    return really(shape) if random.Random(f"stack {seed}").random() < REAL_RATE else shape


def really(shape: Shape) -> Shape:
    """Return the same run over a node's own storage and contracts, with one learner at most."""
    errands = dated(shape.errands, size=shape.size)
    return replace(shape, is_real=True, errands=errands, learners=min(1, shape.learners))


def _mixed(seed: int, chance: random.Random) -> Shape:
    size, seconds = _size(chance), chance.choice(SECONDS)
    faults = Faults(
        loss=chance.choice([0.0, 0.0, 0.05, 0.3]),
        duplicate=chance.choice([0.0, 0.2, 0.5]),
        delay=chance.choice([0.005, 0.02, 0.1, 0.4]),
        busy=chance.choice([0.0, 0.0, 0.01, 0.2]),
        crash=chance.choice([0.0, 0.002, 0.01, 0.03]),
        skew=chance.choice([0.0, 1.0, 3.0]),
        jump=chance.choice([0.0, 0.0, 0.2]),
        cut=chance.choice([0.0, 0.1]),
    )
    kind = chance.choice(["none", "twin", "twin", "double", "liar", "liar", "peer", "slow", "deaf", "mute"])
    changes, learners = _changes(chance, size) if chance.random() < 0.3 else ((), 0)
    return Shape(
        seed=seed,
        family="mixed",
        size=size,
        window=chance.choice([1, 1, 1, 2, 4, 16, 64]),
        seconds=seconds,
        faults=faults,
        errands=_errands(chance, _count(chance, seconds, 2.5), seconds, changes),
        troubles=_troubles(chance, chance.choice([0, 0, 1, 3]), seconds),
        villains=_villains(chance, kind, size, seconds),
        learners=learners,
    )


def _harsh(seed: int, chance: random.Random) -> Shape:
    size, seconds = _size(chance), chance.choice(SECONDS)
    faults = Faults(loss=0.05, duplicate=0.2, delay=0.05, busy=0.1, crash=0.02, cut=0.1)
    kind = chance.choice(["none", "liar", "liar", "twin", "double", "mute"])
    changes, learners = _changes(chance, size) if chance.random() < 0.3 else ((), 0)
    return Shape(
        seed=seed,
        family="harsh",
        size=size,
        window=chance.choice([1, 1, 2, 4]),
        seconds=seconds,
        faults=faults,
        errands=_errands(chance, _count(chance, seconds, 1.25), seconds, changes),
        troubles=_troubles(chance, chance.choice([2, 4]), seconds),
        villains=_villains(chance, kind, size, seconds),
        learners=learners,
    )


def _cut(seed: int, chance: random.Random) -> Shape:
    size, views = _size(chance), chance.randint(1, 5)
    seconds = CUT_SECONDS[views]
    crash = chance.choice([0.0, 0.0, 0.01])
    kind = chance.choice(["none", "none", "twin", "double", "liar", "mute"])
    return Shape(
        seed=seed,
        family="cut",
        size=size,
        window=chance.choice([1, 2, 2, 3, 4]),
        seconds=seconds,
        faults=Faults(delay=0.01, busy=0.005, crash=crash),
        errands=_errands(chance, chance.randint(2, 8), seconds, ()),
        villains=_villains(chance, kind, size, seconds),
        cuts=Cuts(seed=seed, views=views, closed=chance.random() < 0.7),
    )


def _size(chance: random.Random) -> int:
    return chance.choices(SIZES, SIZE_WEIGHTS)[0]


def _count(chance: random.Random, seconds: float, most: float) -> int:
    """Return how many items a run orders, at most so many a second."""
    return chance.randint(2, int(most * seconds))


def _errands(chance: random.Random, count: int, seconds: float, changes: tuple[bytes, ...]) -> tuple[Errand, ...]:
    storm = chance.random() < 0.2
    items = [f"item {number}".encode() for number in range(count)] + list(changes)
    errands = []
    for item in items:
        at = chance.uniform(0.0, 0.8 * seconds)
        again = tuple(at + chance.expovariate(1.0) for _ in range(chance.randint(1, 6) if storm else 0))
        errands.append(Errand(item=item, at=at, again=again))
    return tuple(errands)


def _changes(chance: random.Random, size: int) -> tuple[tuple[bytes, ...], int]:
    """Return items that change the set, in any order without leaving it more Byzantine members than it can bear."""
    learners = chance.randint(0, 2)
    items = [ADD + str(size + number).encode() for number in range(learners)]
    if chance.random() < 0.5:
        items.append(ROTATE + str(chance.randrange(size)).encode())
    if faulty_max(size - 1) == faulty_max(size) and chance.random() < 0.5:
        items.append(REMOVE + str(chance.randrange(size)).encode())
    return tuple(items), learners


def _troubles(chance: random.Random, count: int, seconds: float) -> tuple[Trouble, ...]:
    return tuple(
        Trouble(kind=chance.choice(TROUBLES), at=chance.uniform(0.0, seconds - 1), seconds=chance.uniform(0.5, 4.0))
        for _ in range(count)
    )


def _villains(chance: random.Random, kind: str, size: int, seconds: float) -> tuple[Villain, ...]:
    if kind == "none":
        return ()
    villains = []
    for who in chance.sample(range(size), faulty_max(size)):
        others = [ValidatorId(other) for other in range(size) if other != who]
        count = len(others) // 2 if kind == "deaf" else chance.randint(1, len(others) - 1)
        villains.append(
            Villain(
                kind=kind,
                who=ValidatorId(who),
                audience=frozenset(chance.sample(others, count)),
                rate=chance.choice([0.05, 0.3, 0.8]),
                at=chance.uniform(0.0, seconds),
            )
        )
    return tuple(villains)


FAMILIES_OF_SEEDS: dict[int, Callable[[int, random.Random], Shape]] = {3: draw_views, 7: draw_lies}
"""By the seed's remainder: families that have their own share of the seeds."""
