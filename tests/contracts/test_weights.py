"""Weights: the cap is the largest that keeps every input within its share."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.weights import weights
from ledger.tasks import CappedExamples, EqualWeights

EXAMPLES = st.lists(
    st.tuples(st.integers(min_value=0, max_value=2**63 - 1), st.integers(min_value=0, max_value=2**20)), max_size=40
)


def capped(examples: list[tuple[int, int]], *, faulty_max: int = 0) -> tuple[int, ...]:
    return weights(CappedExamples(), examples, faulty_max=faulty_max)


def same(*counts: int) -> list[tuple[int, int]]:
    return [(count, count) for count in counts]


def test_equal_weights_are_one_each() -> None:
    assert weights(EqualWeights(), same(5, 0, 9), faulty_max=1) == (1, 1, 1)


def test_the_lesser_of_reported_and_registered_counts() -> None:
    assert capped([(7, 100), (100, 9)]) == (7, 9)


def test_without_faulty_participants_nothing_is_capped() -> None:
    assert capped(same(1, 10, 1_000)) == (1, 10, 1_000)


def test_one_giant_is_capped_to_its_share() -> None:
    # T * 3 <= 10 + 10 + 10 + T holds up to T = 15
    assert capped(same(10, 10, 10, 10**6), faulty_max=1) == (10, 10, 10, 15)


def test_no_cap_above_zero_means_equal() -> None:
    assert capped(same(0, 0, 5), faulty_max=1) == (1, 1, 1)
    assert capped(same(0, 0, 0)) == (1, 1, 1)


def test_no_inputs_have_no_weights() -> None:
    assert capped([]) == ()


@given(examples=EXAMPLES, faulty_max=st.integers(min_value=0, max_value=12))
@settings(deadline=None)
def test_no_input_passes_its_share_of_the_total(examples: list[tuple[int, int]], faulty_max: int) -> None:
    result = capped(examples, faulty_max=faulty_max)
    if len(examples) >= 2 * faulty_max + 1:
        assert all(weight * (2 * faulty_max + 1) <= sum(result) for weight in result)


@given(
    counts=st.lists(st.integers(min_value=0, max_value=60), min_size=1, max_size=9),
    faulty_max=st.integers(min_value=0, max_value=4),
)
@settings(deadline=None)
def test_the_cap_is_the_largest_one(counts: list[int], faulty_max: int) -> None:
    share = 2 * faulty_max + 1
    caps = [cap for cap in range(sum(counts) + 1) if cap * share <= sum(min(count, cap) for count in counts)]
    expected = tuple(min(count, caps[-1]) for count in counts) if caps[-1] else (1,) * len(counts)
    assert capped(same(*counts), faulty_max=faulty_max) == expected
