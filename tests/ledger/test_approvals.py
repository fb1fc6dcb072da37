"""Approvals: one operator, one proposal, one chain."""

import pytest
from hypothesis import given

from ledger.approvals import Approval, Approvals, approved, proposal_of
from ledger.encoding import Noun, Purpose, encode
from ledger.errors import InvalidSignature, MalformedEncoding
from ledger.quantities import VALIDATORS_MAX
from tests.ledger.helpers import CHAIN, OTHER_CHAIN, decode_union, key
from tests.ledger.strategies import trying, values


class Paint(Noun, frozen=True, kw_only=True, tag=70):
    """A proposal of these tests."""

    colour: int
    approvals: tuple[Approval, ...] = ()


class Plant(Noun, frozen=True, kw_only=True, tag=71):
    """Another kind with the very same fields."""

    colour: int
    approvals: tuple[Approval, ...] = ()


def test_an_operator_approves_everything_but_the_approvals() -> None:
    body = Paint(colour=1)
    signed = Paint(colour=1, approvals=approved(body, (key("a"), key("b")), chain_id=CHAIN))
    assert proposal_of(signed) == proposal_of(body) == encode(body)
    for approval in signed.approvals:
        approval.verify(proposal_of(signed), chain_id=CHAIN)


def test_approvals_come_in_ascending_order_of_their_keys() -> None:
    keys = tuple(key(f"operator {number}") for number in range(8))
    signed = approved(Paint(colour=1), keys, chain_id=CHAIN)
    assert [approval.key for approval in signed] == sorted(pair.public for pair in keys)


@pytest.mark.parametrize("body", [Paint(colour=2), Plant(colour=1)])
def test_an_approval_is_for_one_proposal(body: Paint | Plant) -> None:
    approval = Approval.sign(proposal_of(Paint(colour=1)), key("a"), chain_id=CHAIN)
    with pytest.raises(InvalidSignature):
        approval.verify(proposal_of(body), chain_id=CHAIN)


def test_an_approval_is_for_one_chain() -> None:
    approval = Approval.sign(b"proposal", key("a"), chain_id=OTHER_CHAIN)
    with pytest.raises(InvalidSignature):
        approval.verify(b"proposal", chain_id=CHAIN)


def test_a_transaction_is_no_approval() -> None:
    pair = key("a")
    other = Approval(key=pair.public, signature=pair.sign(Purpose.TRANSACTION, b"proposal", chain_id=CHAIN))
    with pytest.raises(InvalidSignature):
        other.verify(b"proposal", chain_id=CHAIN)


@trying(50)
@given(values(Approval))
def test_nobody_approves_by_chance(approval: Approval) -> None:
    with pytest.raises(InvalidSignature):
        approval.verify(b"proposal", chain_id=CHAIN)


def test_no_more_approve_than_there_may_be_validators() -> None:
    signed = approved(Paint(colour=1), tuple(key(f"operator {n}") for n in range(VALIDATORS_MAX + 1)), chain_id=CHAIN)
    assert decode_union(encode(signed[1:]), Approvals) == signed[1:]
    with pytest.raises(MalformedEncoding, match="length"):
        decode_union(encode(signed), Approvals)
