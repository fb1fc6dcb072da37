"""B21: a primary that stays just under the timeout is measured and replaced; nobody else is (B26).

The load never ends: every replica always has items waiting. Goodput is how many were decided in the same time, compared
with the same run without a fault; `pytest -s` prints it.
"""

from collections.abc import Callable
from functools import cache

import pytest

from consensus.messages import Message, Votes
from consensus.pace import Pace
from ledger.quantities import ValidatorId
from ledger.votes import VoteKind
from tests.simulation.faults import Faults
from tests.simulation.node import TIMING, Node
from tests.simulation.toy import ToyApplication
from tests.simulation.world import World

SECONDS = 20.0
BACKLOG = 12
Slowness = Callable[[World, ValidatorId], float]


def toy_of(node: Node) -> ToyApplication:
    assert isinstance(node.application, ToyApplication)
    return node.application


def under_load(world: World) -> World:
    """Run with items waiting at all times."""
    number = 0

    def top_up() -> None:
        nonlocal number
        while any(len(toy_of(node).waiting) < BACKLOG for node in world.nodes if node.application is not None):
            number += 1
            for node in world.nodes:
                world.submit(node, f"item {number}".encode())
        world.at(world.now + 0.02, top_up)

    world.start_all()
    top_up()
    world.run(SECONDS)
    return world


def decided(world: World) -> int:
    return sum(len(certified.block.transactions) for certified in world.honest[0].disk.blocks)


def reasons(world: World) -> list[str]:
    """Return why honest replicas gave up views of their own accord."""
    own = [line for line in world.transcript if " view-change " in line and "want" not in line]
    return [line[line.index("view=") :].split(" ", 1)[1] for line in own]


def delay_proposals(world: World, slow: frozenset[ValidatorId], seconds: float, to: frozenset[ValidatorId]) -> None:
    """Make some validators send their proposals late, each one, to some."""

    def tap(sender: ValidatorId, receiver: ValidatorId, message: Message) -> bool:
        if sender not in slow or receiver not in to or not isinstance(message, Votes):
            return True
        if all(vote.kind is not VoteKind.PRE_PREPARE for vote in message.bundle.votes):
            return True
        peer = world.nodes[receiver]
        world.at(world.now + seconds, world._deliver, sender, peer, message, world.sent.total())
        return False

    world.tap = tap


@pytest.mark.parametrize(
    ("size", "window", "faults"),
    [(4, 1, Faults()), (4, 1, Faults(delay=0.1)), (4, 8, Faults(busy=0.1)), (7, 1, Faults(delay=0.2))],
)
def test_b26_no_view_changes_without_faults(size: int, window: int, faults: Faults) -> None:
    world = under_load(World(size=size, seed=26, window=window, faults=faults))
    assert not reasons(world)
    assert decided(world) > 100


@cache
def best(size: int) -> int:
    """Return what is decided without a fault."""
    return decided(under_load(World(size=size, seed=21)))


def attacked(size: int, slow: set[int], to: set[int]) -> World:
    world = World(size=size, seed=21)
    delay_proposals(world, frozenset(map(ValidatorId, slow)), 0.8 * TIMING.view, frozenset(map(ValidatorId, to)))
    return under_load(world)


@pytest.mark.parametrize(("size", "slow", "least"), [(4, {1}, 0.6), (7, {1, 2}, 0.3)])
def test_b21_a_primary_just_under_the_timeout_does_not_keep_goodput_down(
    size: int, slow: set[int], least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is lost is the time until each slow primary is judged: about eight timeouts."""
    world = attacked(size, slow, set(range(size)))
    monkeypatch.setattr(Pace, "is_slow", lambda *_: False)
    unjudged = attacked(size, slow, set(range(size)))
    goodput, without = decided(world) / best(size), decided(unjudged) / best(size)
    print(f"n={size}, slow {slow}: {goodput:.0%} of {best(size)} items in {SECONDS:.0f} s, unjudged {without:.0%}")  # noqa: T201
    assert set(reasons(world)) == {"the primary is slow"}
    assert not reasons(unjudged), "the view timeout never ends it"
    assert goodput >= least
    assert without <= 0.1


def test_b21_a_primary_that_is_late_only_to_some_gains_nothing() -> None:
    """It seems quick to one replica; but what that one waits for is the decision."""
    assert decided(attacked(4, {1}, {2, 3})) >= 0.6 * best(4)


def test_b21_when_all_are_slow_at_most_f_plus_1_views_end() -> None:
    world = World(size=4, seed=21)
    everybody = frozenset(world.context.validators.ids)
    delay_proposals(world, everybody, 0.3 * TIMING.view, everybody)
    under_load(world)
    views = max(node.engine.view for node in world.nodes if node.engine is not None)
    assert views <= world.context.validators.weak_quorum
