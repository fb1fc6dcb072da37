"""Long histories as runs make them, honest ones and ones with a single bug somewhere in the middle."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from tests.chaos.history import Claim, Fate, History, Place, Read, Submission, Taken, Violation, Won, check
from tests.chaos.linearizability import NEVER, NotLinearizable

LENGTH = 300
SEEDS = range(8)


@dataclass(slots=True)
class Chain:
    """What one copy of the chain does with claims, one after the other."""

    owners: dict[str, int] = field(default_factory=dict)
    number: int = 0
    executed: int = 0

    def execute(self, name: str) -> tuple[Place, Fate]:
        place = Place(height=1 + self.executed // 3, position=self.executed % 3)
        self.executed += 1
        if name in self.owners:
            return place, Taken(number=self.owners[name])
        self.number += 1
        self.owners[name] = self.number
        return place, Won(number=self.number)


def submitted(seed: int, chain: Chain, *, unanswered: float = 0.0, plant: int = -1, copies: int = 1) -> History:
    """Let clients whose calls overlap submit; submission number `plant` is executed so often, and answered once."""
    chance = Random(seed)
    history = History()
    for number in range(LENGTH):
        name = f"name-{chance.randrange(LENGTH)}"
        called, answered = number - chance.uniform(0, 4), number + chance.uniform(0, 4)
        before = replace(chain, owners=dict(chain.owners))
        told = chain.execute(name)
        if number == plant and copies == 0:  # told, then forgotten
            chain.owners, chain.number, chain.executed = before.owners, before.number, before.executed
        elif number == plant:
            for copy in range(1, copies):
                chain.execute(f"{name} again {copy}")
        submission = Submission(identity=str(number), claim=Claim(organisation=0, name=name), called=called)
        if chance.random() >= unanswered:
            submission = replace(submission, answered=answered, validator=0, place=told[0], fate=told[1])
        history.add(submission)
    return history


def winners(history: History) -> list[int]:
    """Return who won a name, with as much before and after it that others call later."""
    middle = range(LENGTH // 4, LENGTH * 3 // 4)
    return [number for number in middle if isinstance(history.submissions[number].fate, Won)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("unanswered", [0.0, 0.1])
def test_what_an_honest_chain_answers_is_accepted(seed: int, unanswered: float) -> None:
    check(submitted(seed, Chain(), unanswered=unanswered))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("copies", [0, 2], ids=["lost", "doubled"])
def test_one_transaction_that_was_lost_or_executed_twice_is_found(seed: int, copies: int) -> None:
    plant = Random(seed).choice(winners(submitted(seed, Chain())))
    with pytest.raises(NotLinearizable):
        check(submitted(seed, Chain(), plant=plant, copies=copies))


@pytest.mark.parametrize("seed", SEEDS)
def test_two_transactions_that_changed_places_are_found(seed: int) -> None:
    history = submitted(seed, Chain())
    first = Random(seed).choice(winners(history))
    second = next(
        number for number in range(first, LENGTH) if _follows(history.submissions, earlier=first, later=number)
    )
    one, other = history.submissions[first], history.submissions[second]
    history.submissions[first] = replace(one, place=other.place)
    history.submissions[second] = replace(other, place=one.place)
    with pytest.raises(Violation, match="stands behind it"):
        check(history)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_numbers_that_were_given_in_the_wrong_order_are_found(seed: int) -> None:
    history = submitted(seed, Chain())
    first = Random(seed).choice(winners(history))
    second = next(
        number
        for number in range(first, LENGTH)
        if _follows(history.submissions, earlier=first, later=number)
        and isinstance(history.submissions[number].fate, Won)
    )
    one, other = history.submissions[first], history.submissions[second]
    history.submissions[first] = replace(one, fate=other.fate)
    history.submissions[second] = replace(other, fate=one.fate)
    with pytest.raises(NotLinearizable):
        check(history)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_read_that_has_lost_a_transaction_is_found(seed: int) -> None:
    history = submitted(seed, Chain())
    lost = history.submissions[Random(seed).choice(winners(history))]
    assert lost.place is not None
    for height, is_honest in ((lost.place.height - 1, True), (lost.place.height, False)):
        history.reads = [Read(identity=lost.identity, validator=1, called=0, answered=NEVER, height=height, place=None)]
        if is_honest:
            check(history)
            continue
        with pytest.raises(Violation, match="stood at"):
            check(history)


def _follows(submissions: Sequence[Submission], *, earlier: int, later: int) -> bool:
    return submissions[later].called > submissions[earlier].answered
