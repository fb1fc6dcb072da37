"""The light client on a chain of real signatures: what it accepts, and which of three ways it says no.

`InvalidBlock`, `InvalidCertificate` and `InvalidProof` mean tampered; `Undecidable` means that something is missing.
"""

import pytest
from msgspec.structs import replace

from ledger.blocks import BlockHeader
from ledger.errors import InvalidBlock, InvalidCertificate, Undecidable
from ledger.genesis import Genesis
from ledger.light_client import LightClient
from ledger.quantities import Era
from ledger.validators import Validator
from tests.ledger.helpers import commit_certificate, digest, genesis_file, validator, validator_set
from tests.ledger.mini_chain import FIRST, GENESIS, SECOND, certified, header_at

BLOCK_2 = header_at(2)
BOUNDARY = header_at(5, next_validators=SECOND.digest)
AFTER = header_at(6, SECOND, era=Era(1))


def follower() -> LightClient:
    """Return a light client that has followed the chain into era 1."""
    light = LightClient(GENESIS)
    light.learn(BOUNDARY, certified(BOUNDARY), SECOND.members)
    return light


@pytest.mark.parametrize("height", [1, 2, 5, 1_000_000])
def test_a_certified_header_is_returned(height: int) -> None:
    subject = header_at(height)
    assert LightClient(GENESIS).verify_header(subject, certified(subject)) == subject


def test_the_genesis_header_needs_no_certificate() -> None:
    block = GENESIS.block.header
    assert LightClient(GENESIS).verify_header(block, None) == block


@pytest.mark.parametrize("changes", [{"time": 0}, {"state_root": digest("x")}, {"era": Era(1)}, {"log_size": 1}])
def test_any_other_header_of_height_0_is_invalid(changes: dict[str, object]) -> None:
    forged = replace(GENESIS.block.header, **changes)
    with pytest.raises(InvalidBlock, match="genesis header"):
        LightClient(GENESIS).verify_header(forged, certified(forged))


def test_a_header_of_another_chain_is_invalid() -> None:
    # The same validators with the same keys run both chains.
    other = Genesis(genesis_file().replace(b"test-chain", b"best-chain"))
    with pytest.raises(InvalidBlock, match="chain id in header 2: expected"):
        LightClient(other).verify_header(BLOCK_2, certified(BLOCK_2))


def test_the_genesis_of_another_chain_is_invalid() -> None:
    other = Genesis(genesis_file().replace(b"test-chain", b"best-chain"))
    with pytest.raises(InvalidBlock, match="chain id in header 0: expected"):
        LightClient(GENESIS).verify_header(other.block.header, None)


def test_a_header_that_names_another_set_is_invalid() -> None:
    forged = header_at(2, SECOND)
    with pytest.raises(InvalidBlock, match="validator set in header 2: expected"):
        LightClient(GENESIS).verify_header(forged, commit_certificate(forged, range(4)))


def test_a_header_without_a_certificate_cannot_be_decided() -> None:
    with pytest.raises(Undecidable, match="certificate of block 2: expected a commit certificate, got none"):
        LightClient(GENESIS).verify_header(BLOCK_2, None)


def test_the_certificate_of_another_header_is_invalid() -> None:
    other = header_at(2, state_root=digest("another state"))
    with pytest.raises(InvalidCertificate, match="subject of the commit certificate"):
        LightClient(GENESIS).verify_header(other, certified(BLOCK_2))


def test_a_certificate_of_too_few_is_invalid() -> None:
    with pytest.raises(InvalidCertificate, match="expected 3 distinct validators"):
        LightClient(GENESIS).verify_header(BLOCK_2, commit_certificate(BLOCK_2, range(2)))


def test_a_header_of_an_unknown_era_cannot_be_decided() -> None:
    with pytest.raises(Undecidable, match="validator set: expected that of era 1, got those of \\[0\\]"):
        LightClient(GENESIS).verify_header(AFTER, certified(AFTER))


# Eras.


def test_a_boundary_leads_to_the_next_era() -> None:
    assert follower().verify_header(AFTER, certified(AFTER)) == AFTER


def test_a_past_era_stays_verifiable() -> None:
    assert follower().verify_header(BLOCK_2, certified(BLOCK_2)) == BLOCK_2


def test_eras_are_followed_one_after_the_other() -> None:
    light, third = follower(), validator_set(4, era=2)
    boundary = header_at(9, SECOND, era=Era(1), next_validators=third.digest)
    light.learn(boundary, certified(boundary), third.members)
    last = header_at(10, third, era=Era(2))
    certificate = commit_certificate(last, range(3))
    assert light.verify_header(last, certificate) == last


def test_the_keys_of_an_era_do_not_count_in_the_next() -> None:
    forged = header_at(6, SECOND, era=Era(1))
    retired = replace(certified(header_at(6)), era=Era(1), digest=forged.digest)
    with pytest.raises(InvalidCertificate):
        follower().verify_header(forged, retired)


@pytest.mark.parametrize("height", [6, 7, 2**63 - 1])
def test_retired_keys_do_not_count_above_the_end_of_their_era(height: int) -> None:
    forged = header_at(height)
    with pytest.raises(InvalidBlock, match=f"height of a block of era 0: expected 1 to 5, got {height}"):
        follower().verify_header(forged, certified(forged))


@pytest.mark.parametrize("height", [1, 5])
def test_new_keys_do_not_count_below_the_beginning_of_their_era(height: int) -> None:
    forged = header_at(height, SECOND, era=Era(1))
    with pytest.raises(InvalidBlock, match=f"height of a block of era 1: expected 6 to .*, got {height}"):
        follower().verify_header(forged, certified(forged))


def test_a_second_end_of_an_era_is_invalid() -> None:
    other = validator_set(4, era=7)
    light, forged = follower(), header_at(4, next_validators=other.digest)
    with pytest.raises(InvalidBlock, match="last block of era 0: expected"):
        light.learn(forged, certified(forged), other.members)
    assert light.verify_header(AFTER, certified(AFTER)) == AFTER


def test_the_same_boundary_may_be_learnt_again() -> None:
    light = follower()
    light.learn(BOUNDARY, commit_certificate(BOUNDARY, (1, 2, 3), view=4), SECOND.members)
    assert light.verify_header(AFTER, certified(AFTER)) == AFTER


@pytest.mark.parametrize(
    "members",
    [FIRST.members, SECOND.members[:4], SECOND.members[::-1], (), (*SECOND.members[:4], validator(9))],
    ids=["old", "fewer", "unsorted", "none", "other"],
)
def test_members_that_the_boundary_does_not_name_are_invalid(members: tuple[Validator, ...]) -> None:
    with pytest.raises(InvalidCertificate, match="validator set after block 5: expected"):
        LightClient(GENESIS).learn(BOUNDARY, certified(BOUNDARY), members)


@pytest.mark.parametrize("subject", [BLOCK_2, GENESIS.block.header], ids=["block", "genesis"])
def test_a_block_that_ends_no_era_leads_nowhere(subject: BlockHeader) -> None:
    with pytest.raises(InvalidCertificate, match="validator set after block"):
        LightClient(GENESIS).learn(subject, certified(subject), FIRST.members)


def test_nothing_is_learnt_from_a_boundary_without_a_quorum() -> None:
    light = LightClient(GENESIS)
    with pytest.raises(InvalidCertificate):
        light.learn(BOUNDARY, commit_certificate(BOUNDARY, range(2)), SECOND.members)
    with pytest.raises(Undecidable):
        light.verify_header(AFTER, certified(AFTER))
