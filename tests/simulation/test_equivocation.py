"""A primary and all the colleagues that it may have tell one half of the others another story than the other half."""

from itertools import combinations

import pytest

from consensus.messages import Message, Proposal
from ledger.blocks import Block
from ledger.quantities import ValidatorId
from ledger.votes import VoteKind
from tests.consensus.forge import Forge
from tests.simulation.faults import Faults
from tests.simulation.node import Node
from tests.simulation.runs import settled
from tests.simulation.world import World

ITEMS = [b"item"]


def halves(size: int) -> list[tuple[int, frozenset[int]]]:
    """Return every way to divide the honest ones; the primary of view 0 and the next f - 1 are Byzantine."""
    honest = [who for who in range(size) if who not in byzantine(size)]
    return [(size, frozenset(half)) for count in range(len(honest) // 2 + 1) for half in combinations(honest, count)]


def byzantine(size: int) -> range:
    return range(1, 1 + (size - 1) // 3)


def story(forge: Forge, block: Block, size: int) -> list[tuple[ValidatorId, Message]]:
    """Return what the Byzantine ones say for one block: body, pre-prepare, prepares, commits, view changes."""
    primary, *others = (ValidatorId(who) for who in byzantine(size))
    said: list[tuple[ValidatorId, Message]] = [
        (primary, Proposal(block=block)),
        (primary, forge.pre_prepare(block.header)),
        (primary, forge.commit(primary, block.header)),
    ]
    for who in others:
        votes = (forge.vote(VoteKind.PREPARE, block.header), forge.vote(VoteKind.COMMIT, block.header))
        said.append((who, forge.votes(who, *votes)))
    return said + [(who, forge.view_change(who, view)) for who in (primary, *others) for view in (1, 2)]


CASES = [*halves(4), *halves(5), *halves(6)[::2], *halves(7)[::2], *halves(8)[::6], *halves(9)[::8]]


@pytest.mark.parametrize(("size", "half"), CASES)
def test_an_equivocating_primary_splits_nobody(size: int, half: frozenset[int]) -> None:
    forge = Forge(size)
    world = World(size=size, seed=sum(half), faults=Faults(delay=0.05))
    left, right = (forge.block(forge.genesis, b"item", name) for name in (b"left", b"right"))
    for node in world.nodes:
        node.honest = node.id not in byzantine(size)
    for node in world.honest:
        world.start(node)
        world.submit(node, ITEMS[0])
        for sender, message in story(forge, left if node.id in half else right, size):
            world._transmit(world.nodes[sender], node, message)
    assert world.run(30.0, done=lambda: settled(world, ITEMS))
    assert len({decided(node) for node in world.honest}) == 1


def decided(node: Node) -> tuple[bytes, ...]:
    return tuple(certified.block.digest for certified in node.disk.blocks)
