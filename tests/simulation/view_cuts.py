"""An adversary of the network that knows what it wants of each view: whom votes, bodies and VIEW-CHANGEs reach in it.

Chance alone seldom lets one validator know in one view what the next view is started without, and lets it be heard
again in the one after. So runs follow plots, each with some chance of going another way at every turn:

rivals    a block is prepared where one validator alone sees it; the next view begins without that one, and prepares
          another block at the same height where again one alone sees it; then both are heard
ahead     one validator alone appends some blocks; the next view begins without it, and appends fewer of them
bodiless  some append a block whose body the next primary has never seen
free      everything is drawn
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from consensus.messages import Blocks, FetchBlocks, FetchBody, Finality, Message, NewView, Proposal, ViewChange, Votes
from ledger.quantities import ValidatorId, faulty_max
from ledger.votes import Vote, VoteKind

BRINGING_UP = (Blocks, FetchBlocks, FetchBody, Finality)
"""What takes a replica further without votes."""
DEVIATION = 0.1
"""How often one thing in a plot comes out another way."""
PLOTS = ["rivals", "ahead", "bodiless", "free"]

Some = frozenset[ValidatorId]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPlan:
    """What happens in one view; nothing is cut unless it is said."""

    prepares: Some | None = None
    """Whom PREPAREs reach; None: everybody."""
    commits: Some | None = None
    """Whom COMMITs reach; None: everybody."""
    bodiless: Some = frozenset()
    """Who never sees the bodies that this view's primary proposes, at heights from `bodiless_from` on."""
    bodiless_from: int = 1
    hidden: Some = frozenset()
    """Whose VIEW-CHANGEs for this view reach nobody."""
    started: Some | None = None
    """Whom NEW-VIEW reaches; None: everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewCuts:
    """Which messages arrive until the network heals: the first views go by a plan each, later ones are whole."""

    plans: tuple[ViewPlan, ...]
    closed: bool
    """Whether nobody can catch up meanwhile either."""
    dumb: bool
    """Whether VIEW-CHANGEs for the views above the planned ones reach nobody."""

    def lets_through(self, receiver: ValidatorId, message: Message, *, size: int) -> bool:
        """Return whether a message reaches a validator."""
        match message:
            case Votes():
                return all(self._carries(vote, receiver) for vote in message.bundle.votes)
            case Proposal():
                header = message.block.header
                plan = self._plan((header.proposer - 1) % size)  # the first view in which it was the primary
                return plan is None or receiver not in plan.bodiless or header.height < plan.bodiless_from
            case ViewChange():
                plan = self._plan(message.payload.view)
                return not self.dumb if plan is None else message.payload.validator not in plan.hidden
            case NewView():
                plan = self._plan(message.payload.view)
                return plan is None or plan.started is None or receiver in plan.started
            case _:
                return not (self.closed and isinstance(message, BRINGING_UP))

    def _carries(self, vote: Vote, receiver: ValidatorId) -> bool:
        plan = self._plan(vote.view)
        if plan is None or vote.kind is VoteKind.PRE_PREPARE:
            return True
        reached = plan.prepares if vote.kind is VoteKind.PREPARE else plan.commits
        return reached is None or receiver in reached

    def _plan(self, view: int) -> ViewPlan | None:
        return self.plans[view] if view < len(self.plans) else None

    def fewer(self) -> Iterator["ViewCuts"]:
        """Yield cuts that have one thing less."""
        if len(self.plans) > 1:
            yield replace(self, plans=self.plans[:-1])
        for view, plan in enumerate(self.plans):
            if plan != ViewPlan():
                yield replace(self, plans=(*self.plans[:view], ViewPlan(), *self.plans[view + 1 :]))
        if self.closed:
            yield replace(self, closed=False)
        if self.dumb:
            yield replace(self, dumb=False)


def draw_view_cuts(chance: random.Random, size: int) -> ViewCuts:
    """Return cuts that follow a plot for one to four views."""
    plot = chance.choice(PLOTS)
    views = {"rivals": 3, "ahead": 3, "bodiless": chance.randint(1, 3), "free": chance.randint(1, 4)}[plot]
    plotter = _Plotter(chance, size)
    plans = [plotter.plan(plot, view, last=view == views - 1) for view in range(views)]
    closed = chance.random() < 0.85
    return ViewCuts(plans=tuple(plans), closed=closed, dumb=plot == "free" and chance.random() < 0.4)


class _Plotter:
    """Draws the plans of one run."""

    def __init__(self, chance: random.Random, size: int) -> None:
        self._chance = chance
        self._size = size
        self._everybody: Some = frozenset(map(ValidatorId, range(size)))
        self._favourites: list[Some] = []

    def plan(self, plot: str, view: int, *, last: bool) -> ViewPlan:
        """Return the plan of the next view; a few validators at a time are told, or hidden, more than the others."""
        drawn = self._free(view)
        before = self._favourites[-1] if self._favourites else frozenset()
        told = self._few(self._everybody - before - {self._primary(view + 1)}) or self._few(self._everybody)
        self._favourites.append(told)
        plotted = {"rivals": self._rivals, "ahead": self._ahead, "bodiless": self._bodiless}.get(plot)
        if plotted is None:
            return drawn
        return self._bent(plotted(view, before=before, told=told, last=last), drawn)

    def _rivals(self, view: int, *, before: Some, told: Some, last: bool) -> ViewPlan:
        del view
        return ViewPlan(prepares=told, commits=frozenset(), hidden=frozenset() if last else before, started=self._all())

    def _ahead(self, view: int, *, before: Some, told: Some, last: bool) -> ViewPlan:
        if view == 0:
            late = self._few(self._everybody - told - {self._primary(0)})
            return ViewPlan(commits=told, bodiless=late, bodiless_from=2)
        if last:
            return ViewPlan(prepares=frozenset(), commits=frozenset())
        return ViewPlan(hidden=before, started=self._all())

    def _bodiless(self, view: int, *, before: Some, told: Some, last: bool) -> ViewPlan:
        del before, last
        primary = frozenset({self._primary(view + 1)})
        return ViewPlan(
            commits=told - primary,
            bodiless=primary,
            bodiless_from=self._chance.randint(1, 2),
            started=self._all(),
        )

    def _free(self, view: int) -> ViewPlan:
        chance = self._chance
        before = chance.choice(self._favourites) if self._favourites else frozenset()
        few, some = self._few(self._everybody), self._some()
        return ViewPlan(
            prepares=chance.choices([None, few, some], weights=[4, 3, 3])[0],
            commits=chance.choices([frozenset(), few, some, None], weights=[3, 4, 2, 1])[0],
            bodiless=chance.choices(
                [frozenset(), frozenset({self._primary(view + 1)}), self._few(self._everybody)], weights=[5, 2, 3]
            )[0],
            bodiless_from=chance.randint(1, 3),
            hidden=chance.choices([frozenset(), before, self._few(self._everybody)], weights=[3, 5, 2])[0],
            started=self._all(),
        )

    def _bent(self, plotted: ViewPlan, drawn: ViewPlan) -> ViewPlan:
        changes = {
            name: getattr(drawn, name)
            for name in ("prepares", "commits", "bodiless", "hidden", "started")
            if self._chance.random() < DEVIATION
        }
        return replace(plotted, **changes)

    def _all(self) -> Some | None:
        return None if self._chance.random() < 0.7 else self._some()

    def _some(self) -> Some:
        return frozenset(self._chance.sample(sorted(self._everybody), self._chance.randint(1, self._size - 1)))

    def _few(self, among: Some) -> Some:
        """Return at most so many that the others are a quorum without them."""
        most = min(faulty_max(self._size), len(among))
        return frozenset(self._chance.sample(sorted(among), self._chance.randint(min(1, most), most)))

    def _primary(self, view: int) -> ValidatorId:
        return ValidatorId((view + 1) % self._size)
