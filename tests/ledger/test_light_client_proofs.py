"""Entries and state that the light client is shown: returned once proved, and refused when anything was changed."""

import pytest
from msgspec.structs import replace

from ledger import merkle, state_keys, state_tree
from ledger.encoding import decode, encode
from ledger.entries import Accepted
from ledger.errors import InvalidCertificate, InvalidProof
from ledger.light_client import EntryProof, LightClient, StateEntryProof
from tests.ledger.helpers import digest
from tests.ledger.mini_chain import ENTRIES, GENESIS, LEAVES, certified, header_at
from tests.ledger.state_trees import Records

# Entries.


def entry_proof(index: int, height: int) -> EntryProof:
    subject = header_at(height)
    path = merkle.prove(LEAVES[: subject.log_size], index)
    return EntryProof(header=subject, certificate=certified(subject), entry=ENTRIES[index], index=index, path=path)


@pytest.mark.parametrize(("index", "height"), [(0, 1), (2, 1), (0, 2), (5, 2), (0, 3), (6, 3), (6, 9)])
def test_an_entry_of_the_log_is_returned(index: int, height: int) -> None:
    proof = decode(encode(entry_proof(index, height)), EntryProof)
    assert LightClient(GENESIS).verify_entry(proof) == ENTRIES[index]


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 3},
        {"index": 6},
        {"index": 2**63 - 1},
        {"path": ()},
        {"path": (digest("forged"),) * 3},
        {"path": (digest("forged"),) * 63},
        {"entry": ENTRIES[3]},
        {"entry": replace(ENTRIES[2], receipt=replace(ENTRIES[2].receipt, verdict=Accepted(values=(1,))))},
    ],
    ids=["index", "outside", "absurd", "no-path", "forged", "long", "entry", "verdict"],
)
def test_an_entry_proof_that_was_changed_is_invalid(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidProof):
        LightClient(GENESIS).verify_entry(replace(entry_proof(2, 2), **changes))


def test_an_entry_under_another_header_is_invalid() -> None:
    other = header_at(3)
    with pytest.raises(InvalidProof):
        LightClient(GENESIS).verify_entry(replace(entry_proof(2, 2), header=other, certificate=certified(other)))


def test_an_entry_under_an_uncertified_header_is_invalid() -> None:
    with pytest.raises(InvalidCertificate):
        LightClient(GENESIS).verify_entry(replace(entry_proof(2, 2), header=header_at(2, time=1)))


def test_a_receipt_from_the_future_is_invalid() -> None:
    subject = header_at(2, log_size=7, log_root=merkle.root(LEAVES))
    proof = EntryProof(
        header=subject, certificate=certified(subject), entry=ENTRIES[6], index=6, path=merkle.prove(LEAVES, 6)
    )
    with pytest.raises(InvalidProof, match="height of the receipt: expected at most 2, got 3"):
        LightClient(GENESIS).verify_entry(proof)


# State.


def state_proof(key: bytes, value: bytes | None) -> StateEntryProof:
    records = Records()
    root = records.apply(dict(GENESIS.state))
    subject = header_at(2, state_root=root)
    proof = state_tree.prove(records.read, key)
    return StateEntryProof(header=subject, certificate=certified(subject), key=key, value=value, proof=proof)


def test_the_value_of_a_key_is_returned() -> None:
    value = GENESIS.state[state_keys.ERA]
    proof = decode(encode(state_proof(state_keys.ERA, value)), StateEntryProof)
    assert LightClient(GENESIS).verify_state(proof) == value


def test_the_absence_of_a_key_is_returned() -> None:
    assert LightClient(GENESIS).verify_state(state_proof(b"no such key", None)) is None


@pytest.mark.parametrize("value", [None, b"", b"another"])
def test_a_state_proof_of_another_value_is_invalid(value: bytes | None) -> None:
    with pytest.raises(InvalidProof):
        LightClient(GENESIS).verify_state(state_proof(state_keys.ERA, value))


@pytest.mark.parametrize("value", [b"", b"a value"])
def test_an_absent_key_has_no_value(value: bytes) -> None:
    with pytest.raises(InvalidProof):
        LightClient(GENESIS).verify_state(state_proof(b"no such key", value))


def test_a_state_proof_for_another_key_is_invalid() -> None:
    proof = replace(state_proof(b"no such key", None), key=state_keys.ERA)
    with pytest.raises(InvalidProof):
        LightClient(GENESIS).verify_state(proof)


def test_a_state_proof_under_an_uncertified_header_is_invalid() -> None:
    proof = state_proof(b"no such key", None)
    with pytest.raises(InvalidCertificate):
        LightClient(GENESIS).verify_state(replace(proof, header=replace(proof.header, time=1)))
