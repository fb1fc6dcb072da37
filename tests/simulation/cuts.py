"""An adversary of the network that decides by view, phase and height whom which votes reach.

PBFT's bugs live where a phase ends for some and not for others, view after view: a block prepared here, committed
there, appended by one. What is cut stays cut when it is resent, until the network heals.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from consensus.messages import (
    Blocks,
    FetchBlocks,
    FetchBody,
    FetchNewView,
    FetchViewChanges,
    Finality,
    Message,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Votes,
)
from ledger.quantities import ValidatorId

CATCHING_UP = (Blocks, FetchBlocks, FetchBody, FetchNewView, FetchViewChanges, Finality, Status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Which messages arrive; the same answer for the same question."""

    seed: int
    views: int
    """Views in which votes are cut; later ones are whole."""
    closed: bool
    """Whether nobody can catch up meanwhile either."""
    _known: dict[tuple[object, ...], frozenset[int]] = field(default_factory=dict, compare=False, repr=False)

    def lets_through(self, receiver: ValidatorId, message: Message, *, size: int) -> bool:
        """Return whether a message reaches a validator."""
        match message:
            case Votes():
                votes = message.bundle.votes
                return all(
                    vote.view >= self.views or receiver in self._reached(size, vote.view, vote.kind.name, vote.height)
                    for vote in votes
                )
            case Proposal():
                return receiver in self._reached(size, "body", message.block.header.height)
            case ViewChange() | NewView():
                view = message.payload.view
                return view > self.views or receiver in self._reached(size, view, type(message).__name__)
            case _:
                return not (self.closed and isinstance(message, CATCHING_UP))

    def fewer(self) -> Iterator["Cuts"]:
        """Yield cuts that have one thing less."""
        if self.views > 1:
            yield replace(self, views=self.views - 1)
        if self.closed:
            yield replace(self, closed=False)

    def _reached(self, size: int, *question: object) -> frozenset[int]:
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = self._draw(size, question)
        return known

    def _draw(self, size: int, question: tuple[object, ...]) -> frozenset[int]:
        chance = random.Random(f"cut {self.seed} {question}")
        whole = {"COMMIT": 1, "PREPARE": 3, "PRE_PREPARE": 5}.get(str(question[1]), 8)
        how = chance.choices(["all", "some", "one", "none"], weights=[whole, 4, 2, 1])[0]
        if how == "all":
            return frozenset(range(size))
        count = {"some": chance.randint(1, size - 1), "one": 1, "none": 0}[how]
        return frozenset(chance.sample(range(size), count))
