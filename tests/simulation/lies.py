"""The family `lies`: somebody is cut off or late and has to catch up, and impostors are quick to help.

The bugs of catching up, of certificates and of eras live where a replica has to believe what it has not seen itself.
So here some validators are starved of everything but heartbeats, or hear impostors alone; blocks go on meanwhile, the
validator set changes, and what impostors serve is forged, torn to pieces, of another era, or never comes. In some
runs the commits of one height reach nobody but the impostors.
"""

import random
from dataclasses import dataclass

from consensus.messages import Message, Votes
from ledger.quantities import Height, ValidatorId, faulty_max
from ledger.votes import VoteKind
from tests.simulation.chain import ADD, ROTATE
from tests.simulation.cuts import Cuts
from tests.simulation.faults import Faults
from tests.simulation.impostor import ANSWERS, HABITS
from tests.simulation.shapes import Errand, Shape, Trouble, Villain

SECONDS = (4.0, 8.0)
"""How long faults last where there is no gap."""
GAP_SECONDS = 14.0
"""Enough for views to fail until one is entered that begins above the gap."""
LATE = ("eclipse", "starve")
ANSWER_WEIGHTS = (4, 2, 3, 3)
"""How often each of `ANSWERS` is an impostor's."""
TRUE_RATE = 0.1
HABIT_RATES = dict(zip(HABITS, (0.4, 0.3, 0.4, 0.3, 0.1), strict=True))
"""The last one is rare: where an impostor does not vote either, nobody gets ahead of who is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Cuts):
    """The commits of one height reach nobody but some, as long as views are low: what is above it finalises it."""

    height: Height
    spared: frozenset[ValidatorId]

    def lets_through(self, receiver: ValidatorId, message: Message, *, size: int) -> bool:
        """Return whether a message reaches a validator."""
        del size
        votes = message.bundle.votes if isinstance(message, Votes) else ()
        return receiver in self.spared or not any(
            vote.kind is VoteKind.COMMIT and vote.height == self.height and vote.view < self.views for vote in votes
        )


def draw_lies(seed: int, chance: random.Random) -> Shape:
    """Return a shape of this family."""
    size = chance.choice([4, 4, 4, 4, 5, 7])
    order = [ValidatorId(who) for who in chance.sample(range(size), size)]
    liars, late = order[: faulty_max(size)], order[faulty_max(size)]
    gap = chance.random() < 0.25
    seconds = GAP_SECONDS if gap else chance.choice(SECONDS)
    changes, learners = ((), 0) if gap else _changes(chance, size, late)
    return Shape(
        seed=seed,
        family="lies",
        size=size,
        window=chance.choice([2, 3, 4] if gap else [1, 1, 2, 4]),
        seconds=seconds,
        faults=Faults(
            delay=chance.choice([0.005, 0.02, 0.05]),
            loss=chance.choice([0.0, 0.0, 0.05]),
            busy=chance.choice([0.0, 0.01]),
            crash=0.0 if gap else chance.choice([0.0, 0.0, 0.005]),
        ),
        errands=_errands(chance, chance.randint(3, 14), seconds, changes),
        troubles=() if gap else _troubles(chance, late, seconds),
        villains=tuple(_impostor(chance, who, order, gap=gap) for who in liars),
        cuts=_gap(seed, chance, liars) if gap else None,
        learners=learners,
    )


def _impostor(chance: random.Random, who: ValidatorId, everybody: list[ValidatorId], *, gap: bool) -> Villain:
    habits = {habit for habit, rate in HABIT_RATES.items() if chance.random() < rate}
    habits = (
        (habits - {"voteless"}) | {"ahead", "silent"}
        if gap
        else habits | ({chance.choices(ANSWERS, ANSWER_WEIGHTS)[0]} if chance.random() >= TRUE_RATE else set())
    )
    others = [other for other in everybody if other != who]
    return Villain(
        kind="impostor",
        who=who,
        audience=frozenset(chance.sample(others, chance.randint(1, len(others)))),
        rate=1.0 if gap else chance.choice([0.5, 1.0, 1.0]),
        habits=frozenset(habits),
    )


def _gap(seed: int, chance: random.Random, liars: list[ValidatorId]) -> Gap:
    return Gap(
        seed=seed,
        views=chance.randint(1, 3),
        closed=False,
        height=Height(chance.choice([1, 1, 2, 3])),
        spared=frozenset(liars),
    )


def _changes(chance: random.Random, size: int, late: ValidatorId) -> tuple[tuple[bytes, ...], int]:
    """Return items that change the validator set; nobody is removed, so that as many liars are borne afterwards."""
    items = [ROTATE + str(who).encode() for who in (late, chance.randrange(size)) if chance.random() < 0.4]
    learners = int(chance.random() < 0.4)
    return (*items, *(ADD + str(size + number).encode() for number in range(learners))), learners


def _errands(chance: random.Random, count: int, seconds: float, changes: tuple[bytes, ...]) -> tuple[Errand, ...]:
    items = (*(f"item {number}".encode() for number in range(count)), *changes)
    return tuple(Errand(item=item, at=chance.uniform(0.0, 0.8 * seconds)) for item in items)


def _troubles(chance: random.Random, late: ValidatorId, length: float) -> tuple[Trouble, ...]:
    troubles = []
    for _ in range(chance.randint(1, 4)):
        at = chance.uniform(0.0, length - 2)
        kind, seconds = chance.choice(LATE), chance.uniform(1.0, length - at)
        troubles.append(Trouble(kind=kind, at=at, seconds=seconds, who=late))
    if chance.random() < 0.3:
        kind = chance.choice(["pause", "censor", "clog", "restart-all", "alone", "full-disk"])
        troubles.append(Trouble(kind=kind, at=chance.uniform(0.0, length - 2), seconds=chance.uniform(0.5, 3.0)))
    return tuple(troubles)
