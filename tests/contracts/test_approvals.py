"""G1 to G4: approvals carry a proposal once those who approve run a quorum of the validators."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from contracts import approvals, queries
from contracts.context import BlockContext, Call
from contracts.verdicts import Refused
from ledger.approvals import Approval, approved
from ledger.encoding import Noun
from ledger.entries import Rejected
from ledger.hashing import sha256
from ledger.keys import SigningKey
from ledger.quantities import quorum
from tests.contracts.driver import Chain, refused


class Paint(Noun, frozen=True, kw_only=True, tag=70):
    """A proposal of these tests."""

    colour: int = 1
    approvals: tuple[Approval, ...] = ()


def by(chain: Chain, *keys: SigningKey) -> Paint:
    return Paint(approvals=approved(Paint(), keys, chain_id=chain.chain_id))


def operators(chain: Chain, count: int) -> Sequence[SigningKey]:
    return [chain.members.operators[f"org-{number:02}"] for number in range(count)]


def verdict(chain: Chain, body: Paint) -> Rejected | None:
    """Return the refusal, or None if the approvals carry the proposal."""
    author = queries.key_record(chain.state, chain.operator.public)
    assert author is not None
    context = BlockContext.following(chain.tip.header, chain.state, time=chain.time)
    call = Call(context=context, state=chain.state, author=author, transaction=sha256(b"transaction"))
    try:
        approvals.require(call, body)
    except Refused as refusal:
        return refusal.rejected
    return None


@pytest.mark.parametrize("validators", [4, 5, 6, 7, 10, 25])
def test_g3_those_who_approve_run_a_quorum(validators: int) -> None:
    chain, needed = Chain(validators=validators), quorum(validators)
    assert verdict(chain, by(chain, *operators(chain, needed))) is None
    assert verdict(chain, by(chain, *operators(chain, needed - 1))) == refused("G3", needed, needed - 1)
    assert verdict(chain, Paint()) == refused("G3", needed, 0)


def test_g3_an_organisation_without_validators_adds_nothing() -> None:
    chain = Chain(trainers=3)
    trainers = [key for name, key in chain.members.operators.items() if name.startswith("site")]
    assert verdict(chain, by(chain, *trainers, *operators(chain, 2))) == refused("G3", 3, 2)
    assert verdict(chain, by(chain, *trainers, *operators(chain, 3))) is None


def test_g1_each_approves_once_and_in_order() -> None:
    chain = Chain()
    whole = by(chain, *operators(chain, 3))
    assert verdict(chain, replace(whole, approvals=whole.approvals[::-1])) == refused("G1")
    assert verdict(chain, replace(whole, approvals=(*whole.approvals, whole.approvals[-1]))) == refused("G1")


def test_g2_only_operators_approve() -> None:
    chain = Chain()
    strangers = [SigningKey(sha256(b"nobody")), *chain.members.services.values()]
    for stranger in strangers:
        body = by(chain, *operators(chain, 3), stranger)
        place = [approval.key for approval in body.approvals].index(stranger.public)
        assert verdict(chain, body) == refused("G2", place)


def test_g4_each_signature_is_over_this_proposal() -> None:
    chain = Chain()
    whole = by(chain, *operators(chain, 3))
    assert verdict(chain, replace(whole, colour=2)) == refused("G4", 0)
    damaged = replace(whole.approvals[2], signature=whole.approvals[1].signature)
    assert verdict(chain, replace(whole, approvals=(*whole.approvals[:2], damaged))) == refused("G4", 2)
