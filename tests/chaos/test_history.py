"""The claims: histories that bear them out, and ones that must be refused, each with the bug that would make it."""

from collections.abc import Iterable

import pytest

from tests.chaos.history import Claim, Fate, History, Place, Read, Submission, Taken, Violation, Won, check
from tests.chaos.linearizability import NotLinearizable


def submission(
    identity: str, fate: Fate, times: tuple[float, float], place: tuple[int, int], *, name: str = "", validator: int = 0
) -> Submission:
    return Submission(
        identity=identity,
        claim=Claim(organisation=0, name=name or identity),
        called=times[0],
        answered=times[1],
        validator=validator,
        place=Place(height=place[0], position=place[1]),
        fate=fate,
    )


def unanswered(identity: str, called: float, *, name: str = "") -> Submission:
    return Submission(identity=identity, claim=Claim(organisation=0, name=name or identity), called=called)


def read(
    identity: str, times: tuple[float, float], height: int, place: tuple[int, int] | None, *, validator: int = 0
) -> Read:
    return Read(
        identity=identity,
        validator=validator,
        called=times[0],
        answered=times[1],
        height=height,
        place=None if place is None else Place(height=place[0], position=place[1]),
    )


def judge(submissions: Iterable[Submission], *reads: Read, emptied: Iterable[tuple[float, int]] = ()) -> None:
    check(History(submissions=list(submissions), reads=list(reads), emptied=list(emptied)))


A = submission("a", Won(number=1), (0, 1), (5, 0))
B = submission("b", Won(number=2), (2, 3), (6, 0))


def test_an_honest_history_is_accepted() -> None:
    judge(
        [A, B, submission("c", Taken(number=1), (4, 5), (7, 0), name="a"), unanswered("d", 0.5, name="a")],
        read("a", (1.5, 1.6), 5, (5, 0)),
        read("b", (2.5, 2.6), 5, None),
        read("a", (9, 9.1), 4, None, validator=1),
    )


def test_a_claim_that_nobody_saw_answered_may_own_the_name() -> None:
    judge([unanswered("x", 0, name="n"), submission("y", Taken(number=1), (1, 2), (3, 0), name="n")])


def test_a_claim_that_nobody_saw_answered_may_have_got_a_number() -> None:
    judge([A, unanswered("x", 1.5), submission("b", Won(number=3), (2, 3), (6, 0))])


@pytest.mark.parametrize(
    ("submissions", "bug"),
    [
        ([A, submission("b", Won(number=1), (2, 3), (6, 0))], "one number twice: an acknowledged transaction was lost"),
        ([A, submission("b", Won(number=3), (2, 3), (6, 0))], "a number left out: a transaction was applied twice"),
        ([A, submission("b", Won(number=2), (2, 3), (6, 0), name="a")], "a name with two owners"),
        ([A, submission("b", Taken(number=7), (2, 3), (6, 0), name="a")], "another owner than the one who was told so"),
        ([submission("b", Taken(number=1), (2, 3), (6, 0), name="n")], "a name taken by nobody"),
        (
            [submission("a", Won(number=2), (0, 1), (5, 0)), submission("b", Won(number=1), (2, 3), (6, 0))],
            "numbers in another order than time",
        ),
        ([A, unanswered("x", 9), submission("b", Won(number=3), (2, 3), (6, 0))], "an effect before its cause"),
    ],
)
def test_what_no_order_explains_is_refused(submissions: list[Submission], bug: str) -> None:
    with pytest.raises(NotLinearizable):
        judge(submissions)
    assert bug


def test_a_chain_whose_order_contradicts_time_is_refused() -> None:
    first = submission("a", Taken(number=1), (2, 3), (9, 0), name="n")
    later = submission("b", Taken(number=1), (4, 5), (8, 0), name="n")
    with pytest.raises(Violation, match="stands behind it"):
        judge([submission("n", Won(number=1), (0, 1), (5, 0)), first, later])


@pytest.mark.parametrize(
    "wrong",
    [
        read("a", (2, 2.1), 5, None),  # lost, or told pending after it was appended
        read("a", (2, 2.1), 5, (5, 1)),  # moved
        read("a", (2, 2.1), 4, (5, 0)),  # told before the height that it names
        read("z", (1.5, 2), 4, None),  # the validator has acknowledged block 5 before
    ],
)
def test_a_read_that_is_not_exact_for_its_height_is_refused(wrong: Read) -> None:
    with pytest.raises(Violation):
        judge([A], wrong)


def test_heights_fall_only_where_an_operator_took_the_database_away() -> None:
    reads = [read("z", (1.1, 1.2), 8, None), read("z", (3, 3.1), 2, None)]
    with pytest.raises(Violation, match="after an answer for height 8"):
        judge([A], *reads)
    judge([A], *reads, emptied=[(2, 0)])


def test_what_a_client_saw_at_once_is_not_forgotten() -> None:
    history = History()
    history.accuse("validator 2 gave another receipt")
    with pytest.raises(Violation, match="another receipt"):
        check(history)
