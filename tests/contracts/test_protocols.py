"""R1 to R4, and what an activated protocol version changes: the header, from one height on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts import queries
from contracts.protocols import NOTICE_HEIGHTS
from ledger.approvals import approved
from ledger.entries import Accepted, ProtocolActivated
from ledger.quantities import Height
from ledger.records import ProtocolRecord
from ledger.transactions import ActivateProtocol
from tests.contracts.driver import Chain, actions, refused
from tests.ledger.strategies import trying


def decision(
    chain: Chain, *, serial: int = 1, version: int = 2, height: int | None = None, approving: int = 3
) -> ActivateProtocol:
    """Return a decision for the next block, by default the soonest one that may be."""
    soonest = chain.height + 1 + NOTICE_HEIGHTS
    body = ActivateProtocol(
        serial=serial, version=version, height=Height(soonest if height is None else height), approvals=()
    )
    keys = tuple(chain.members.operators[f"org-{number:02}"] for number in range(approving))
    return replace(body, approvals=approved(body, keys, chain_id=chain.chain_id))


def advance(chain: Chain, to: int) -> None:
    while chain.height < to:
        chain.block()


def versions(chain: Chain) -> list[int]:
    return [executed.block.header.protocol for executed in chain.blocks]


def test_a_version_begins_at_the_height_that_was_decided() -> None:
    chain = Chain()
    body = decision(chain)
    assert chain.verdict(chain.operator, body) == Accepted(values=(2, body.height))
    advance(chain, body.height + 2)
    assert versions(chain) == [1] * (body.height - 1) + [2] * 3
    done = {executed.block.header.height: actions(executed) for executed in chain.blocks if actions(executed)}
    assert done == {body.height - 1: [ProtocolActivated(version=2)]}
    assert queries.parameters(chain.state) == replace(queries.parameters(Chain().state), protocol=2)
    assert queries.protocol(chain.state) == ProtocolRecord(serial=1, version=2, height=body.height)


def test_anybody_on_chain_may_bring_the_approvals() -> None:
    chain = Chain()
    service = chain.members.services[min(chain.members.services)]
    assert isinstance(chain.verdict(service, decision(chain)), Accepted)


def test_a_quorum_must_approve() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, decision(chain, approving=2)) == refused("G3", 3, 2)
    body = decision(chain)
    assert chain.verdict(chain.operator, replace(body, height=Height(body.height + 5))) == refused("G4", 0)
    assert queries.protocol(chain.state) is None


def test_r1_a_decision_cannot_be_brought_twice() -> None:
    chain = Chain()
    first = decision(chain, height=100)
    chain.accepted(chain.operator, first)
    assert chain.verdict(chain.operator, first) == refused("R1", 2, 1)
    assert chain.verdict(chain.operator, decision(chain, serial=3)) == refused("R1", 2, 3)
    assert chain.verdict(chain.operator, decision(chain, serial=0)) == refused("R1", 2, 0)


@pytest.mark.parametrize("version", [0, 3, 2**63 - 1])
def test_r2_versions_come_one_after_the_other(version: int) -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, decision(chain, version=version)) == refused("R2", 1, version)


def test_r3_nothing_is_called_off_that_was_not_decided() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, decision(chain, version=1)) == refused("R3")
    chain.accepted(chain.operator, decision(chain))
    chain.accepted(chain.operator, decision(chain, serial=2, version=1))
    assert chain.verdict(chain.operator, decision(chain, serial=3, version=1)) == refused("R3")


def test_r4_there_is_notice() -> None:
    chain = Chain()
    soonest = chain.height + 1 + NOTICE_HEIGHTS
    assert chain.verdict(chain.operator, decision(chain, height=soonest - 1)) == refused("R4", soonest, soonest - 1)
    chain = Chain()
    assert isinstance(chain.verdict(chain.operator, decision(chain, height=soonest)), Accepted)


def test_a_decision_can_be_called_off_until_the_last_block_before_it() -> None:
    chain = Chain()
    body = decision(chain)
    chain.accepted(chain.operator, body)
    advance(chain, body.height - 2)
    chain.accepted(chain.operator, decision(chain, serial=2, version=1, height=0))
    advance(chain, body.height + 2)
    assert set(versions(chain)) == {1}


def test_a_decision_can_be_postponed() -> None:
    chain = Chain()
    first = decision(chain)
    chain.accepted(chain.operator, first)
    later = decision(chain, serial=2, height=first.height + 20)
    chain.accepted(chain.operator, later)
    advance(chain, later.height)
    assert versions(chain) == [1] * (later.height - 1) + [2]


def test_a_version_in_force_cannot_be_taken_back() -> None:
    chain = Chain()
    body = decision(chain)
    chain.accepted(chain.operator, body)
    advance(chain, body.height)
    assert chain.verdict(chain.operator, decision(chain, serial=2, version=1)) == refused("R2", 2, 1)
    assert chain.verdict(chain.operator, decision(chain, serial=2, version=2)) == refused("R3")
    assert isinstance(chain.verdict(chain.operator, decision(chain, serial=2, version=3)), Accepted)


@trying(15)
@given(st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.integers(0, 30)), max_size=5))
def test_headers_follow_the_last_decision_before_their_height(decisions: list[tuple[int, int]]) -> None:
    chain = Chain()
    serial, due, current = 1, None, 1
    for version, ahead in decisions:
        body = decision(chain, serial=serial, version=version, height=chain.height + 1 + ahead)
        verdict = chain.verdict(chain.operator, body)
        if isinstance(verdict, Accepted):
            serial += 1
            due = None if version == current else (body.height, version)
        chain.block()
        if due is not None and chain.height >= due[0]:
            current, due = due[1], None
    if due is not None:
        advance(chain, due[0])
        current = due[1]
    chain.block()
    assert versions(chain) == sorted(versions(chain)), "versions never go back"
    assert versions(chain)[-1] == current
