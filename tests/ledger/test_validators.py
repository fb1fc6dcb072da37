"""Validator sets: their size, order, keys, and who is primary."""

import pytest
from msgspec.structs import replace

from ledger.errors import InputError
from ledger.quantities import VALIDATORS_MAX, VALIDATORS_MIN, ValidatorId, faulty_max, quorum, weak_quorum
from ledger.validators import Validator, ValidatorSet
from tests.ledger.helpers import key, validator, validator_set

KEY_FIELDS = ("vote_key", "service_key", "log_head_key")


def members(count: int = 4) -> tuple[Validator, ...]:
    return validator_set(count).members


@pytest.mark.parametrize("count", range(VALIDATORS_MIN, VALIDATORS_MAX + 1))
def test_a_set_knows_its_quorums(count: int) -> None:
    chosen = validator_set(count)
    expected = (count, faulty_max(count), quorum(count), weak_quorum(count))
    assert (chosen.size, chosen.faulty_max, chosen.quorum, chosen.weak_quorum) == expected


@pytest.mark.parametrize("count", [0, 1, 3, 26])
def test_a_set_of_another_size_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"validator set: expected 4 to 25 members, got {count}"):
        ValidatorSet(tuple(validator(number) for number in range(count)))


def test_an_unsorted_set_is_refused() -> None:
    with pytest.raises(InputError, match="expected distinct ids in ascending order, got \\[3, 2, 1, 0\\]"):
        ValidatorSet(members()[::-1])


def test_an_id_that_occurs_twice_is_refused() -> None:
    twice = replace(validator(9), id=ValidatorId(0))
    with pytest.raises(InputError, match="distinct ids"):
        ValidatorSet((members()[0], twice, *members()[1:]))


@pytest.mark.parametrize("theirs", KEY_FIELDS)
@pytest.mark.parametrize("mine", KEY_FIELDS)
def test_a_key_used_twice_in_any_two_roles_is_refused(mine: str, theirs: str) -> None:
    taken = {mine: getattr(validator(0), theirs)}
    with pytest.raises(InputError, match="every key once"):
        ValidatorSet((*members()[:3], replace(validator(3), **taken)))


@pytest.mark.parametrize(("mine", "theirs"), [("vote_key", "service_key"), ("log_head_key", "vote_key")])
def test_one_key_for_two_roles_of_one_validator_is_refused(mine: str, theirs: str) -> None:
    taken = {mine: getattr(validator(3), theirs)}
    with pytest.raises(InputError, match="every key once"):
        ValidatorSet((*members()[:3], replace(validator(3), **taken)))


def test_ids_may_have_gaps() -> None:
    assert ValidatorSet(tuple(validator(number) for number in (0, 2, 5, 9))).ids == (0, 2, 5, 9)


@pytest.mark.parametrize("field", [*KEY_FIELDS, "id", "organisation", "link_certificate"])
def test_the_digest_covers_every_field(field: str) -> None:
    other = {"id": ValidatorId(4), "organisation": "other", "link_certificate": bytes(64)}
    changed = replace(validator(3), **{field: other.get(field, key("another").public)})
    assert ValidatorSet((*members()[:3], changed)).digest != validator_set().digest


def test_a_member_is_found_by_id() -> None:
    chosen = validator_set()
    assert chosen.get(ValidatorId(2)) == validator(2)
    assert ValidatorId(2) in chosen
    assert chosen.vote_key(ValidatorId(2)) == validator(2).vote_key


def test_a_stranger_is_not_found() -> None:
    chosen = validator_set()
    assert chosen.get(ValidatorId(4)) is None
    assert ValidatorId(4) not in chosen
    with pytest.raises(InputError, match="validator: expected one of \\[0, 1, 2, 3\\], got 4"):
        chosen.vote_key(ValidatorId(4))


@pytest.mark.parametrize(
    ("first_height", "view", "expected"), [(1, 0, 1), (1, 1, 2), (1, 2, 3), (1, 3, 0), (1, 4, 1), (7, 0, 3)]
)
def test_views_take_turns_from_the_first_height_of_the_era(first_height: int, view: int, expected: int) -> None:
    assert validator_set().primary(first_height=first_height, view=view) == expected


def test_turns_go_by_place_and_not_by_id() -> None:
    chosen = ValidatorSet(tuple(validator(number) for number in (0, 2, 5, 9)))
    assert [chosen.primary(first_height=0, view=view) for view in range(5)] == [0, 2, 5, 9, 0]
