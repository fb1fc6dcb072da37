"""With f + 1 Byzantine validators the chain may split; then at least f + 1 are named, and no honest one ever is.

The two properties are those that were proved of Tendermint in Ivy. The transcripts are what honest replicas have on
disk: their chains with certificates, and their vote logs.
"""

from dataclasses import replace

import pytest

from consensus.messages import Message
from ledger.evidence import OffenceKind
from ledger.quantities import ValidatorId
from tests.simulation.accusing import LawlessWorld, Transcript, lawless, prove
from tests.simulation.families import draw
from tests.simulation.runs import build, run_world


def named(world: LawlessWorld) -> set[int]:
    """Return who is convicted; each of them is Byzantine."""
    guilty = {int(proven.offence.offender) for proven in world.accuse()}
    honest = {int(node.id) for node in world.honest}
    assert not guilty & honest, "framed"
    return guilty


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_a_split_names_at_least_f_plus_one(size: int, window: int) -> None:
    splits = 0
    for seed in range(3):
        world = lawless(seed, size=size, window=window)
        guilty = named(world)
        if world.has_split:
            splits += 1
            assert len(guilty) >= world.context.validators.weak_quorum, f"seed {seed}: only {guilty} are named"
    assert splits, "nothing broke: these runs prove nothing"


def test_a_split_over_two_views_is_named_by_amnesia() -> None:
    world = lawless(4, size=4)
    assert world.has_split
    assert {proven.offence.kind for proven in world.accuse()} == {OffenceKind.AMNESIA}
    assert len(named(world)) == 2


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_honest_ones_ever_say_convicts_one_of_them(seed: int) -> None:
    """Whoever holds every message of a whole run, restarts, resends and view changes included, has no evidence."""
    world = build(draw(seed))
    world.faults = replace(world.faults, crash=0.02, loss=0.1, duplicate=0.2)
    transcript, heard = Transcript(), set()

    def hear(sender: ValidatorId, _: ValidatorId, message: Message) -> bool:
        if (sender, message) not in heard:
            heard.add((sender, message))
            transcript.hear(message)
        return True

    world.tap = hear
    run_world(world)
    honest = {node.id for node in world.honest}
    byzantine = {node.id for node in world.nodes if not node.honest}
    assert {kind for kind in world.sent if kind == "ViewChange"}, "no view was ever changed"
    assert not {proven.offence.offender for proven in prove(transcript, world.context)} & (honest - byzantine)
