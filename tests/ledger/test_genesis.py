"""Genesis: what members agree on by reading one digest aloud, and the one form of the file."""

import json

import msgspec
import pytest
from msgspec.structs import asdict, replace

from ledger import merkle, state_keys
from ledger.encoding import decode
from ledger.errors import (
    NonCanonicalEncoding,
)
from ledger.genesis import Genesis, OrganisationDescriptor, assemble
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs, ValidatorId
from ledger.records import KeyRecord, KeyRole, OrganisationRecord, SeatRecord, SeatStatus
from ledger.validators import Validator
from tests.ledger.helpers import (
    GENESIS_TIME,
    descriptor,
    descriptor_keys,
    genesis,
    genesis_file,
    key,
    unsigned_descriptor,
    validator,
    validator_set,
)
from tests.ledger.state_trees import reference_root

FILE = genesis_file()
TEXT = FILE.decode()


def assembled(*descriptors: OrganisationDescriptor) -> bytes:
    return assemble(descriptors, chain="test", time=TimeMs(0), parameters=ChainParameters())


# What a genesis file says.


def test_the_chain_id_is_the_hash_of_the_very_bytes() -> None:
    assert genesis().chain_id == sha256(FILE)


def test_assembling_does_not_depend_on_the_order_of_descriptors() -> None:
    descriptors = [descriptor(number) for number in range(4)]
    assert assembled(*descriptors) == assembled(*descriptors[::-1])


def test_validators_are_numbered_by_the_names_of_their_organisations() -> None:
    assert genesis().validators.members == tuple(validator(number) for number in range(4))


def test_an_organisation_may_run_two_validators_or_none() -> None:
    both = (unsigned_descriptor(0).validators[0], unsigned_descriptor(1).validators[0])
    pair = replace(unsigned_descriptor(0), validators=both).sign((*descriptor_keys(0), *descriptor_keys(1)[1:]))
    trainer = replace(unsigned_descriptor(9), organisation="a-trainer", validators=()).sign(descriptor_keys(9)[:1])
    found = Genesis(assembled(pair, descriptor(2), descriptor(3), trainer)).validators.members
    assert [member.organisation for member in found] == ["org-00", "org-00", "org-02", "org-03"]
    assert [member.id for member in found] == [0, 1, 2, 3]


def test_descriptors_are_found_by_the_number_of_their_validator() -> None:
    found = genesis().descriptors
    assert {number: entry.link_address for number, entry in found.items()} == {
        number: f"validator-{number}.example:7000" for number in range(4)
    }


def test_parameters_are_read_back() -> None:
    parameters = ChainParameters(window=8, invited_max=10)
    assert Genesis(genesis_file(parameters=parameters)).parameters == parameters


def test_the_state_holds_parameters_members_and_keys() -> None:
    state, chosen = genesis().state, validator_set()
    assert decode(state.pop(state_keys.PARAMETERS), ChainParameters) == ChainParameters()
    assert decode(state.pop(state_keys.VALIDATORS), tuple[Validator, ...]) == chosen.members
    assert decode(state.pop(state_keys.ERA), tuple[int, int]) == (0, 1)
    assert decode(state.pop(state_keys.SEATS_COUNT), int) == 4
    for number in range(4):
        seat = decode(state.pop(state_keys.seat(ValidatorId(number))), SeatRecord)
        assert (seat.member, seat.status, seat.since) == (chosen.members[number], SeatStatus.VALIDATOR, 0)
        assert seat.link_address == genesis().descriptors[ValidatorId(number)].link_address
        assert seat.rest_url == genesis().descriptors[ValidatorId(number)].rest_url
        for digest in chosen.members[number].key_names:
            assert decode(state.pop(state_keys.seat_key(digest)), int) == number
        name, operator, service = f"org-{number:02}", key(f"operator {number}").public, key(f"service {number}").public
        organisation = OrganisationRecord(name=name, operator_key=operator)
        assert decode(state.pop(state_keys.organisation(name)), OrganisationRecord) == organisation
        held = KeyRecord(role=KeyRole.OPERATOR, organisation=name, subject=0)
        assert decode(state.pop(state_keys.key(operator)), KeyRecord) == held
        held = KeyRecord(role=KeyRole.SERVICE, organisation=name, subject=number)
        assert decode(state.pop(state_keys.key(service)), KeyRecord) == held
    assert state == {}


def test_block_0_follows_from_the_file() -> None:
    block, chosen = genesis().block, validator_set()
    assert block.transactions == ()
    assert asdict(block.header) == {
        "protocol": 1,
        "chain_id": sha256(FILE),
        "era": 0,
        "height": 0,
        "parent": ZERO_DIGEST,
        "time": GENESIS_TIME,
        "proposer": 0,
        "transactions_root": merkle.EMPTY_ROOT,
        "receipts_root": merkle.EMPTY_ROOT,
        "state_root": reference_root(genesis().state),
        "log_size": 0,
        "log_root": merkle.EMPTY_ROOT,
        "validators": chosen.digest,
        "next_validators": chosen.digest,
    }


# One form of the file.


@pytest.mark.parametrize(
    "data",
    [
        FILE[:-1],
        FILE + b"\n",
        b" " + FILE,
        FILE.replace(b"\n", b"\r\n"),
        FILE.replace(b"  ", b"\t"),
        json.dumps(json.loads(TEXT)).encode(),
        FILE.replace(b'"chain": "test-chain"', b'"chain": "test-\\u0063hain"'),
        FILE.replace(b'"time_ms"', b'"time_ms": 7,\n  "time_ms"'),
        FILE.replace(b'"chain"', b'"chain": "another-chain",\n  "chain"'),
        FILE.replace(b'"window"', b'"window": 9,\n    "window"'),
        FILE.replace(b'"operator_key"', b'"operator_key": "' + b"00" * 32 + b'",\n      "operator_key"', 1),
    ],
    ids=[
        "no-newline",
        "two-newlines",
        "space",
        "crlf",
        "tabs",
        "json.dumps",
        "escape",
        "time-twice",
        "chain-twice",
        "parameter-twice",
        "key-twice",
    ],
)
def test_the_same_content_in_another_form_is_refused(data: bytes) -> None:
    assert data != FILE
    with pytest.raises(NonCanonicalEncoding, match="genesis file: expected its members in order, each once"):
        Genesis(data)


def test_fields_in_another_order_are_another_form() -> None:
    document = json.loads(TEXT)
    document["chain"] = document.pop("chain")
    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    with pytest.raises(NonCanonicalEncoding):
        Genesis(data)
