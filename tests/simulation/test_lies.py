"""What impostors say does no harm, and is really said: each habit at work on somebody who hears nobody else."""

import random

from consensus.messages import Blocks, Finality, Message, Proposal, Status, ViewChange, Votes
from ledger.hashing import ZERO_DIGEST
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind
from tests.simulation.chain import vote_key
from tests.simulation.faults import Faults
from tests.simulation.impostor import ANSWERS, FAR, HABITS
from tests.simulation.lies import Gap, draw_lies
from tests.simulation.runs import build, run_world
from tests.simulation.shapes import Errand, Shape, Trouble, Villain
from tests.simulation.world import World

LIAR, LATE = ValidatorId(0), ValidatorId(3)
Heard = list[Message]


def run(*habits: str, window: int = 1) -> tuple[World, Heard]:
    """Run four validators of which one lies always, and another hears it alone for six seconds; return what it hears.

    The late one is killed first, so that it comes back with nothing in flight.
    """
    shape = Shape(
        seed=1,
        family="lies",
        size=4,
        window=window,
        faults=Faults(delay=0.01),
        errands=tuple(Errand(item=f"item {number}".encode(), at=number / 4) for number in range(24)),
        troubles=(Trouble(kind="eclipse", at=1.0, seconds=6.0, who=LATE),),
        villains=(
            Villain(
                kind="impostor",
                who=LIAR,
                audience=frozenset({ValidatorId(1)}),
                rate=1.0,
                habits=frozenset(habits),
            ),
        ),
    )
    world = build(shape)
    heard: Heard = []

    def listen(sender: ValidatorId, receiver: ValidatorId, message: Message) -> bool:
        if (sender, receiver) == (LIAR, LATE):
            heard.append(message)
        return True

    world.tap = listen
    return run_world(world, shape), heard


def refused(world: World) -> int:
    return sum(f"{LATE} refuses: " in line for line in world.transcript)


def blocks_of(heard: Heard) -> list[Blocks]:
    return [message for message in heard if isinstance(message, Blocks)]


def test_forged_answers_are_refused() -> None:
    world, heard = run("forge")
    assert len(blocks_of(heard)) >= 3
    assert refused(world) >= 3


def test_useless_answers_hold_nobody_up_though_they_come_at_once_from_whoever_claims_most() -> None:
    _, heard = run("useless", "boast")
    assert blocks_of(heard)
    assert not any(answer.blocks for answer in blocks_of(heard))
    assert any(isinstance(message, Status) and message.head == FAR for message in heard)


def test_an_answer_that_never_comes_holds_nobody_up() -> None:
    _, heard = run("silent")
    assert not blocks_of(heard)


def test_bodies_and_a_certificate_are_as_good_as_an_answer() -> None:
    _, heard = run("pieces", window=4)
    assert not blocks_of(heard)
    assert any(isinstance(message, Proposal) for message in heard)


def test_certificates_that_nobody_has_signed_are_refused() -> None:
    world, heard = run("early")
    assert sum(isinstance(message, Finality) for message in heard) >= 10
    assert refused(world) >= 10


def test_a_primary_that_keeps_bodies_from_some_and_never_votes_holds_nobody_up() -> None:
    _, heard = run("withhold", "voteless")
    assert not any(isinstance(message, Proposal) for message in heard)
    said = [message.bundle.votes for message in heard if isinstance(message, Votes)]
    assert all(any(vote.kind is VoteKind.PRE_PREPARE for vote in votes) for votes in said)


def test_view_changes_for_later_views_are_no_reason_to_move() -> None:
    world, heard = run("ahead", "voteless")
    views = [message.payload.view for message in heard if isinstance(message, ViewChange)]
    assert max(views) > max(node.engine.view for node in world.honest if node.engine is not None)


def test_a_gap_keeps_the_commits_of_one_height_from_all_but_the_spared_while_views_are_low() -> None:
    gap = Gap(seed=0, views=2, closed=False, height=Height(3), spared=frozenset({LIAR}))

    def arrives(receiver: ValidatorId, *votes: Vote) -> bool:
        message = Votes(bundle=VoteBundle.sign(votes, validator=ValidatorId(1), key=vote_key(1), chain_id=ZERO_DIGEST))
        return gap.lets_through(receiver, message, size=4)

    assert not arrives(LATE, vote(height=3, view=1))
    assert not arrives(LATE, vote(height=4, view=1), vote(height=3, view=1))
    assert arrives(LIAR, vote(height=3, view=1))
    assert arrives(LATE, vote(height=3, view=2))
    assert arrives(LATE, vote(height=4, view=1))
    assert arrives(LATE, vote(height=3, view=1, kind=VoteKind.PREPARE))


def vote(*, height: int, view: int, kind: VoteKind = VoteKind.COMMIT) -> Vote:
    return Vote(kind=kind, era=Era(0), view=View(view), height=Height(height), digest=ZERO_DIGEST)


def test_the_family_draws_every_answer_and_every_habit() -> None:
    shapes = [draw_lies(seed, random.Random(seed)) for seed in range(60)]
    habits = {habit for shape in shapes for villain in shape.villains for habit in villain.habits}
    assert habits == {*ANSWERS, *HABITS}
    assert {trouble.kind for shape in shapes for trouble in shape.troubles} >= {"eclipse", "starve"}
    assert any(shape.learners for shape in shapes)
