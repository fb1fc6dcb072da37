"""The family of shapes about view changes: its scenes; the cuts and liars by themselves; and the plots, one by one.

In the plots validator 1 is the primary of view 0, 2 that of view 1, and 3 that of view 2.
"""

import multiprocessing
import random

import pytest

from consensus.messages import Blocks, Message, NewView, Proposal, Status, ViewChange
from consensus.new_view import verify_new_view, verify_view_change
from ledger.errors import VerificationFailed
from ledger.quantities import Era, Height, ValidatorId, View
from tests.consensus.forge import Forge, validator_ids
from tests.simulation.families import draw
from tests.simulation.faults import Faults
from tests.simulation.runs import failure_of
from tests.simulation.shapes import Errand, Shape
from tests.simulation.view_cuts import Some, ViewCuts, ViewPlan
from tests.simulation.view_liars import VIEW_LIARS, VIEWS_AHEAD
from tests.simulation.zoo_bugs import BUGS

FORGE = Forge(4, window=2)
A, B = FORGE.chain(2)
EVERYBODY: Some = frozenset(FORGE.ids)
NOBODY: Some = frozenset()
LIAR, PEER = ValidatorId(2), ValidatorId(0)


def some(*numbers: int) -> Some:
    return frozenset(validator_ids(numbers))


def test_the_seeds_of_the_family_draw_every_scene() -> None:
    shapes = [draw(8 * number + 3) for number in range(300)]
    assert {shape.family for shape in shapes} == {"views"}
    assert {shape.size for shape in shapes} == {4, 5, 6, 7}
    assert {shape.window for shape in shapes} == {1, 2, 3, 4}
    kinds = {villain.kind for shape in shapes for villain in shape.villains}
    assert kinds == {"forger", "two-faced", "crier", "deaf", "twin", "double", "mute"}
    for flag in ("few", "calm", "is_real"):
        assert {getattr(shape, flag) for shape in shapes} == {False, True}, flag
    cuts = [shape.cuts for shape in shapes if isinstance(shape.cuts, ViewCuts)]
    assert {len(cut.plans) for cut in cuts} == {1, 2, 3, 4}
    assert {cut.closed for cut in cuts} == {cut.dumb for cut in cuts} == {False, True}


# -- cuts

PLAN = ViewPlan(
    prepares=some(0), commits=some(1), bodiless=some(2), bodiless_from=2, hidden=some(3), started=some(0, 1)
)
CUTS = ViewCuts(plans=(PLAN, PLAN), closed=True, dumb=False)
NEW_VIEW = FORGE.new_view(tuple(FORGE.view_change(who, 1) for who in range(3)))
REACHED: dict[str, tuple[Message, Some]] = {
    "pre-prepares are heard": (FORGE.pre_prepare(A.header), EVERYBODY),
    "prepares as planned": (FORGE.prepare(2, A.header), some(0)),
    "commits as planned": (FORGE.commit(2, A.header), some(1)),
    "votes of later views are heard": (FORGE.commit(2, A.header, view=2), EVERYBODY),
    "bodies below that height": (Proposal(block=A), EVERYBODY),
    "bodies from that height on": (Proposal(block=B), some(0, 1, 3)),
    "whose VIEW-CHANGE is hidden": (FORGE.view_change(3, 1), NOBODY),
    "other VIEW-CHANGEs": (FORGE.view_change(2, 1), EVERYBODY),
    "VIEW-CHANGEs for later views": (FORGE.view_change(3, 2), EVERYBODY),
    "NEW-VIEW as planned": (NEW_VIEW, some(0, 1)),
    "nobody catches up": (Blocks(blocks=()), NOBODY),
}


@pytest.mark.parametrize("name", REACHED)
def test_a_plan_says_whom_a_message_reaches(name: str) -> None:
    message, reached = REACHED[name]
    assert {who for who in FORGE.ids if CUTS.lets_through(who, message, size=4)} == reached


def test_what_is_not_closed_or_dumb() -> None:
    dumb = ViewCuts(plans=(PLAN,), closed=False, dumb=True)
    assert dumb.lets_through(PEER, Blocks(blocks=()), size=4)
    assert not dumb.lets_through(PEER, FORGE.view_change(2, 1), size=4)


def test_cuts_can_be_made_smaller_until_nothing_is_cut() -> None:
    cuts, steps = ViewCuts(plans=(PLAN, PLAN), closed=True, dumb=True), 0
    while (smaller := next(cuts.fewer(), None)) is not None:
        cuts, steps = smaller, steps + 1
    assert steps == 4
    assert all(cuts.lets_through(who, message, size=4) for message, _ in REACHED.values() for who in FORGE.ids)


# -- liars


def said(kind: str, message: Message, to: ValidatorId = PEER, *, times: int = 60) -> list[Message]:
    """Return what a liar makes of a message, again and again; every signature of its own is right."""
    liar = VIEW_LIARS[kind](
        chance=random.Random(7),
        validator=LIAR,
        key=FORGE.key(LIAR),
        context=FORGE.context,
        rate=1.0,
        head=lambda: FORGE.genesis,
    )
    heard = [lie for _ in range(times) for lie in liar.say(message, to)]
    for lie in heard:
        if isinstance(lie, ViewChange | NewView) and lie.payload.validator == LIAR:
            lie.verify_signature(FORGE.context.validators.vote_key(LIAR), chain_id=FORGE.context.chain_id)
    return heard


def is_valid(change: ViewChange) -> bool:
    try:
        verify_view_change(FORGE.context, change)
    except VerificationFailed:
        return False
    return True


def own_change(view: int = 2) -> ViewChange:
    return FORGE.view_change(LIAR, view, certificate=FORGE.certificate(A.header), prepared=[FORGE.prepared(B.header)])


def test_a_forger_tells_lies_that_are_refused_and_some_that_cannot_be() -> None:
    lies = [lie for lie in said("forger", own_change()) if isinstance(lie, ViewChange)]
    assert {is_valid(lie) for lie in lies} == {False, True}
    assert len({lie.payload.digest for lie in lies}) > 5
    assert said("forger", FORGE.view_change(0, 1), times=1) == [FORGE.view_change(0, 1)], "others' stay as they are"


def test_a_forger_starts_views_elsewhere() -> None:
    changes = tuple(FORGE.view_change(who, 1, prepared=[FORGE.prepared(A.header)]) for who in (0, 1, 3))
    right = FORGE.new_view(changes)
    wrong = {lie for lie in said("forger", right) if lie != right}
    assert len(wrong) > 4
    for lie in wrong:
        assert isinstance(lie, NewView)
        with pytest.raises(VerificationFailed):
            verify_new_view(FORGE.context, lie, changes)


def test_the_two_faces_are_valid_both_and_start_nothing() -> None:
    to_primary = {lie.payload.view: lie for lie in said("two-faced", own_change(3), ValidatorId(0), times=1)}  # type: ignore[union-attr]
    to_others = {lie.payload.view: lie for lie in said("two-faced", own_change(3), ValidatorId(3), times=1)}  # type: ignore[union-attr]
    assert set(to_primary) == set(to_others) == set(range(3, 3 + VIEWS_AHEAD))
    assert all(isinstance(lie, ViewChange) and is_valid(lie) for lie in (*to_primary.values(), *to_others.values()))
    assert FORGE.primary(3) == 0
    assert to_primary[View(3)] != to_others[View(3)]
    assert said("two-faced", NEW_VIEW) == []


def test_a_crier_wants_every_view_but_this_one() -> None:
    status = Status(era=Era(0), view=View(1), head=Height(0))
    cries = [lie for lie in said("crier", status) if isinstance(lie, ViewChange)]
    assert {lie.payload.view for lie in cries} == {2, 3, 4}
    assert all(map(is_valid, cries))


# -- plots


def plotted(*plans: ViewPlan, window: int = 2) -> Shape:
    """Return a run in which two items come one after the other, and each view goes by its plan."""
    return Shape(
        seed=4,
        family="views",
        size=4,
        window=window,
        seconds=10.0,
        faults=Faults(delay=0.01),
        errands=tuple(Errand(item=f"item {number}".encode(), at=0.6 * number) for number in range(2)),
        cuts=ViewCuts(plans=plans, closed=True, dumb=False),
    )


def seen_by(*who: int, hidden: Some = NOBODY) -> ViewPlan:
    """Return a plan in which some see a block prepared and nobody sees one committed."""
    return ViewPlan(prepares=some(*who), commits=NOBODY, hidden=hidden)


LAST = ViewPlan(hidden=some(1))
RIVALS = plotted(seen_by(0), seen_by(3, hidden=some(0)), LAST)
AHEAD = plotted(
    ViewPlan(commits=some(0), bodiless=some(3), bodiless_from=2),
    ViewPlan(hidden=some(0)),
    LAST,
)
BODILESS = plotted(
    ViewPlan(commits=some(3), bodiless=some(2)),
    ViewPlan(hidden=some(0)),
)
SHOWN = {
    "NEW-VIEW takes the certificate of the lowest view": (RIVALS, "purity"),
    "NEW-VIEW keeps a block above a gap": (RIVALS, "purity"),
    "NEW-VIEW begins at the certificate of the highest view": (AHEAD, "purity"),
    "votes at or below the base": (BODILESS, "base"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_plot_shows_its_bug_and_nothing_else(name: str) -> None:
    """In a process of its own: a mutant may leave traces in what is remembered between runs."""
    assert failure_of(SHOWN[name][0]) is None
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        failure = pool.apply(_failure_with, (name,))
    assert failure is not None
    assert failure.partition(":")[0] == SHOWN[name][1]


def _failure_with(name: str) -> str | None:
    with next(bug for bug in BUGS if bug.name == name).planted():
        return failure_of(SHOWN[name][0])
