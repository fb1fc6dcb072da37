"""What the clients saw, and the claims that it must bear out.

Clients enrol sites: `claim a name`, which the chain either accepts, giving the next number, or refuses because the name
has an owner. So a name is a register that is written once, and the numbers are a counter: both are objects that a lost,
doubled or reordered transaction makes wrong.

    submissions    an answer that says `final` names height and position: the order of the chain. Claims are
                   linearizable as they stand (by search, knowing nothing of heights), and the chain's order is one that
                   explains them: who was answered before another one asked stands before it.
    reads          an answer names the height that it reflects (`Quorate-Height`) and is exact for it: a transaction is
                   told final if and only if it stands at or below that height. A read may be stale, but heights do not
                   fall at a validator: it answers for no less than it, or a receipt of its, has named before.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from tests.chaos.linearizability import NEVER, Operation, linearization


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A name that somebody wants, in one organisation."""

    organisation: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """The name was free: the site got this number."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The name has an owner of this number."""

    number: int


Fate = Won | Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a transaction stands in the chain."""

    height: int
    position: int

    @property
    def order(self) -> tuple[int, int]:
        """What places are sorted by."""
        return self.height, self.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One transaction, from its first submission to the first answer that said `final`."""

    identity: str
    claim: Claim
    called: float
    answered: float = NEVER
    validator: int | None = None
    """Who answered."""
    place: Place | None = None
    fate: Fate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A question about a transaction, and the answer."""

    identity: str
    validator: int
    called: float
    answered: float
    height: int
    """That the answer says it reflects."""
    place: Place | None
    """Where the transaction stands, as told; None: not final."""


class Violation(AssertionError):
    """A claim does not hold."""


@dataclass(slots=True)
class History:
    """Everything that was seen, by all clients."""

    submissions: list[Submission] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    """Blobs that somebody was told are recorded."""
    violations: list[str] = field(default_factory=list)
    """What a client saw at once to be wrong."""
    emptied: list[tuple[float, int]] = field(default_factory=list)
    """When an operator took which validator's database away, to fetch the chain again."""
    lock: Lock = field(default_factory=Lock)

    def add(self, seen: Submission | Read) -> None:
        """Remember what was seen."""
        with self.lock:
            if isinstance(seen, Submission):
                self.submissions.append(seen)
            else:
                self.reads.append(seen)

    def accuse(self, what: str) -> None:
        """Remember what was seen to be wrong."""
        with self.lock:
            self.violations.append(what)

    @property
    def acknowledged(self) -> list[Submission]:
        """Submissions that somebody was told are final."""
        return [it for it in self.submissions if it.place is not None]


def check(history: History) -> None:
    """Raise Violation or NotLinearizable unless the history bears out all claims."""
    if history.violations:
        raise Violation("; ".join(history.violations[:5]))
    check_names(history.submissions)
    check_numbers(history.submissions)
    check_order(history.acknowledged)
    check_reads(history)


def check_names(submissions: Sequence[Submission]) -> None:
    """Check each name by itself: a history is linearizable if it is so for each object (Herlihy & Wing 1990)."""
    by_claim: dict[Claim, list[Submission]] = defaultdict(list)
    for submission in submissions:
        by_claim[submission.claim].append(submission)
    for mine in by_claim.values():
        history = [_operation(it, it.identity, it.fate) for it in mine]
        linearization(history, initial=None, step=_name)


def check_numbers(submissions: Sequence[Submission]) -> None:
    """Check all numbers together: a counter that gives each once and leaves none out."""
    history = [_operation(it, it.identity, it.fate) for it in submissions if not isinstance(it.fate, Taken)]
    linearization(history, initial=0, step=_number)


def check_order(acknowledged: Iterable[Submission]) -> None:
    """Check the chain's order against time: what was answered before another was called stands before it."""
    by_call = sorted(acknowledged, key=lambda it: it.called)
    by_answer = sorted(by_call, key=lambda it: it.answered)
    latest: Submission | None = None
    done = 0
    for submission in by_call:
        while by_answer[done].answered < submission.called:
            latest = max(latest or by_answer[done], by_answer[done], key=lambda it: _place(it).order)
            done += 1
        if latest is not None and _place(latest).order >= _place(submission).order:
            raise Violation(f"{latest} was answered before {submission} was called, and stands behind it")


def check_reads(history: History) -> None:
    """Check that every read is exact for the height that it names, and that heights do not fall at a validator."""
    places = {it.identity: _place(it) for it in history.acknowledged}
    for read in history.reads:
        known = places.get(read.identity)
        if read.place is not None and (read.place.height > read.height or known not in {None, read.place}):
            raise Violation(f"{read}, but the transaction stands at {known}")
        if read.place is None and known is not None and known.height <= read.height:
            raise Violation(f"{read}, but the transaction stood at {known} by then")
    _check_heights(history)


def _check_heights(history: History) -> None:
    """Check that what a validator has once answered for, it answers for in every later call."""
    answers = [(it.answered, it.validator, it.height) for it in history.reads]
    answers += [
        (it.answered, it.validator, _place(it).height) for it in history.acknowledged if it.validator is not None
    ]
    answers += [(when, validator, -1) for when, validator in history.emptied]
    answers.sort()
    highest: dict[int, int] = {}
    done = 0
    for read in sorted(history.reads, key=lambda it: it.called):
        while answers[done][0] < read.called:
            _, validator, height = answers[done]
            highest[validator] = max(highest.get(validator, 0), height) if height >= 0 else 0
            done += 1
        if read.height < highest.get(read.validator, 0):
            raise Violation(f"{read}, after an answer for height {highest[read.validator]}")


def _operation(it: Submission, action: str, answer: Fate | None) -> Operation[str, Fate]:
    return Operation(action=action, called=it.called, answered=it.answered, answer=answer)


def _name(owner: int | str | None, identity: str, fate: Fate | None) -> Iterable[int | str | None]:
    """Step a name: None while it is free, then its owner's number (or id, where nobody was told the number)."""
    match fate:
        case None:
            return (identity,) if owner is None else ()  # that it found an owner would change nothing
        case Won(number=number):
            return (number,) if owner is None else ()
        case Taken(number=number):
            # the owner's number may be learnt only here
            return (number,) if owner == number or isinstance(owner, str) else ()


def _number(last: int, _: str, fate: Fate | None) -> Iterable[int]:
    """Step the counter: one that was not answered may have got the next number."""
    match fate:
        case None:
            return (last + 1,)
        case Won(number=number):
            return (number,) if number == last + 1 else ()
        case Taken():
            raise AssertionError("leaves the counter alone")


def _place(it: Submission) -> Place:
    assert it.place is not None
    return it.place
