"""The arithmetic of quorums, for every size of a validator set that a chain may have."""

from typing import Annotated

import pytest
from msgspec import Meta

from ledger.encoding import decode, encode
from ledger.errors import MalformedEncoding
from ledger.quantities import (
    U16,
    U63,
    U63_MAX,
    VALIDATORS_MAX,
    VALIDATORS_MIN,
    Name,
    faulty_max,
    quorum,
    weak_quorum,
)

every_size = pytest.mark.parametrize("n", range(VALIDATORS_MIN, VALIDATORS_MAX + 1))


def test_a_chain_has_4_to_25_validators() -> None:
    assert (VALIDATORS_MIN, VALIDATORS_MAX) == (4, 25)


@every_size
def test_faulty_max_is_the_largest_number_below_a_third(n: int) -> None:
    f = faulty_max(n)
    assert n >= 3 * f + 1
    assert n < 3 * (f + 1) + 1


@every_size
def test_any_two_quorums_share_an_honest_validator(n: int) -> None:
    assert 2 * quorum(n) - n >= faulty_max(n) + 1


@every_size
def test_a_smaller_quorum_would_not_do(n: int) -> None:
    assert 2 * (quorum(n) - 1) - n < faulty_max(n) + 1


@every_size
def test_the_honest_validators_alone_are_a_quorum(n: int) -> None:
    assert quorum(n) <= n - faulty_max(n)


@every_size
def test_a_weak_quorum_holds_one_honest_validator_and_no_spare(n: int) -> None:
    assert weak_quorum(n) == faulty_max(n) + 1


@every_size
def test_a_quorum_holds_a_weak_quorum_of_honest_validators(n: int) -> None:
    assert quorum(n) - faulty_max(n) >= weak_quorum(n)


@pytest.mark.parametrize(
    ("n", "f", "q"), [(4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5), (10, 3, 7), (13, 4, 9), (25, 8, 17)]
)
def test_well_known_sizes(n: int, f: int, q: int) -> None:
    assert (faulty_max(n), quorum(n)) == (f, q)


@pytest.mark.parametrize(("kind", "largest"), [(U63, U63_MAX), (U16, 2**16 - 1), (Annotated[int, Meta(ge=0, le=9)], 9)])
def test_the_largest_number_is_read_and_the_next_refused(kind: type[int], largest: int) -> None:
    assert decode(encode(largest), kind) == largest
    with pytest.raises(MalformedEncoding):
        decode(encode(largest + 1), kind)


def test_numbers_in_signed_structures_fit_63_bits() -> None:
    assert U63_MAX.bit_length() == 63


def test_a_name_is_at_most_63_characters() -> None:
    assert decode(encode("n" * 63), Name) == "n" * 63
    with pytest.raises(MalformedEncoding):
        decode(encode("n" * 64), Name)
