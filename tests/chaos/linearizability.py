"""Is a history linearizable? The search of Wing & Gong (1993) with the memory of Lowe (2017), as Porcupine does it.

A history is linearizable if each operation can be given one instant between its call and its answer so that, carried
out in that order, a sequential object gives the very answers that were seen. An operation that was never answered may
have happened at any instant after its call, or never.

The search takes an operation that no other one must precede (its call is before every answer still outstanding), lets
the object carry it out, and goes back where that ends nowhere; it never looks twice at the same object state with the
same operations done.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

S = TypeVar("S", bound=Hashable)
A = TypeVar("A")
R = TypeVar("R")

Step: TypeAlias = Callable[[S, A, R | None], Iterable[S]]
"""States that an action may leave behind if this was its answer (None: it was not seen); none if it cannot be."""

NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[A, R]):
    """Something that a client did."""

    action: A
    called: float
    """Instant before which it cannot have happened."""
    answered: float = NEVER
    """Instant after which it cannot have happened."""
    answer: R | None = None
    """None: none was seen, and it may never happen."""

    def __post_init__(self) -> None:
        assert self.called <= self.answered
        assert (self.answer is None) == (self.answered == NEVER)


class NotLinearizable(AssertionError):
    """No order of the operations explains their answers."""

    def __init__(self, longest: Sequence[Operation[A, R]], stuck: Sequence[Operation[A, R]]) -> None:
        shown = "; ".join(f"{it.action} -> {it.answer} [{it.called:.3f}, {it.answered:.3f}]" for it in stuck[:5])
        super().__init__(f"after {len(longest)} operations none of these can be next: {shown}")
        self.longest = tuple(longest)


def linearization(history: Sequence[Operation[A, R]], *, initial: S, step: Step[S, A, R]) -> list[Operation[A, R]]:
    """Return an order that explains all answers; raises NotLinearizable."""
    operations = sorted(history, key=lambda it: it.called)
    all_answered = sum(1 << place for place, it in enumerate(operations) if it.answer is not None)
    done, state = 0, initial
    seen: set[tuple[int, Hashable]] = {(0, initial)}
    path: list[tuple[int, S]] = []
    choices = [_choices(operations, done, state, step)]
    longest: list[int] = []
    stuck: list[int] = []
    while done & all_answered != all_answered:
        for place, after in choices[-1]:
            key = (done | 1 << place, after)
            if key not in seen:
                seen.add(key)
                path.append((place, state))
                done, state = key[0], after
                choices.append(_choices(operations, done, state, step))
                break
        else:
            if len(path) >= len(longest):
                longest, stuck = [place for place, _ in path], [place for place, _ in _free(operations, done)]
            choices.pop()
            if not path:
                raise NotLinearizable([operations[place] for place in longest], [operations[it] for it in stuck])
            place, state = path.pop()
            done &= ~(1 << place)
    return [operations[place] for place, _ in path]


def _choices(
    operations: Sequence[Operation[A, R]], done: int, state: S, step: Step[S, A, R]
) -> Iterable[tuple[int, S]]:
    for place, operation in _free(operations, done):
        for after in step(state, operation.action, operation.answer):
            yield place, after


def _free(operations: Sequence[Operation[A, R]], done: int) -> Iterable[tuple[int, Operation[A, R]]]:
    """Yield what may be next: no operation that is still to be done was answered before it was called."""
    first_answer = NEVER
    found: list[tuple[int, Operation[A, R]]] = []
    begin = (~done & (done + 1)).bit_length() - 1  # everything below is done
    for place in range(begin, len(operations)):
        operation = operations[place]
        if operation.called > first_answer:
            break
        if not done >> place & 1:
            found.append((place, operation))
            first_answer = min(first_answer, operation.answered)
    # those answered first are tried first: mostly that is how it was
    return sorted(found, key=lambda it: it[1].answered)
