"""The frozen bytes of the ledger: written today as ever, and read by the rules alone."""

import importlib
import json
from typing import Any

import pytest

from ledger import merkle, state_tree
from ledger.blobs import SignedReadRequest, SignedTicket
from ledger.certificates import PreparedCertificate
from ledger.encoding import Noun, Purpose, decode, decode_integer, encode, signing_bytes
from ledger.genesis import Genesis
from ledger.hashing import Digest, sha256
from ledger.keys import PublicKey, Signature, SigningKey, verify
from ledger.light_client import EntryProof, LightClient, StateEntryProof
from ledger.rendering import plain
from ledger.transactions import SignedTransaction
from ledger.votes import VoteBundle
from tests.ledger.strategies import NOUNS
from tests.vectors import make_ledger

FROZEN: dict[str, Any] = json.loads(make_ledger.FILE.read_text())
CHANGED = (
    "the wire format changed: bytes that running chains have signed and hashed would be read or written otherwise. "
    "Undo the change, or make it a new protocol version and run `python -m tests.vectors.make_ledger`."
)
GENESIS = Genesis(FROZEN["genesis"]["file"].encode())
every_frozen_noun = pytest.mark.parametrize("frozen", FROZEN["nouns"], ids=lambda frozen: frozen["name"])


def kind_of(frozen: dict[str, Any]) -> type[Noun]:
    module, _, name = frozen["type"].rpartition(".")
    kind: type[Noun] = getattr(importlib.import_module(module), name)
    return kind


def first(name: str) -> bytes:
    """Return the bytes of a frozen noun."""
    return next(bytes.fromhex(frozen["bytes"]) for frozen in FROZEN["nouns"] if frozen["name"] == name)


@pytest.mark.parametrize("section", [name for name in FROZEN if name != "nouns"])
def test_every_section_is_written_as_ever(section: str) -> None:
    assert make_ledger.vectors()[section] == FROZEN[section], CHANGED


@pytest.mark.parametrize("place", range(len(FROZEN["nouns"])), ids=[frozen["name"] for frozen in FROZEN["nouns"]])
def test_every_noun_is_written_as_ever(place: int) -> None:
    written = make_ledger.vectors()["nouns"]
    assert isinstance(written, list)
    assert written[place] == FROZEN["nouns"][place], CHANGED


def test_the_file_is_what_its_generator_writes() -> None:
    assert make_ledger.FILE.read_text() == make_ledger.text(), CHANGED


@every_frozen_noun
def test_frozen_bytes_are_read_with_their_fields(frozen: dict[str, Any]) -> None:
    value = decode(bytes.fromhex(frozen["bytes"]), kind_of(frozen))
    assert plain(value) == frozen["value"], CHANGED
    assert encode(value).hex() == frozen["bytes"], CHANGED


@every_frozen_noun
def test_frozen_digests_are_those_of_the_bytes(frozen: dict[str, Any]) -> None:
    assert sha256(bytes.fromhex(frozen["bytes"])).hex() == frozen["sha256"]


def test_every_noun_of_the_ledger_is_frozen() -> None:
    assert {kind_of(frozen) for frozen in FROZEN["nouns"]} == set(NOUNS)


def test_every_purpose_is_frozen() -> None:
    assert [frozen["purpose"] for frozen in FROZEN["signatures"]] == list(Purpose)


@pytest.mark.parametrize("frozen", FROZEN["signatures"], ids=lambda frozen: frozen["purpose"])
def test_frozen_signatures_verify(frozen: dict[str, str]) -> None:
    fields = ("seed", "public_key", "chain_id", "payload", "signing_bytes", "signature")
    seed, public, chain, payload, covered, signature = (bytes.fromhex(frozen[name]) for name in fields)
    purpose = Purpose(frozen["purpose"])
    assert SigningKey(seed).public == public
    assert signing_bytes(purpose, chain_id=Digest(chain), payload=payload) == covered, CHANGED
    verify(PublicKey(public), Signature(signature), purpose, payload, chain_id=Digest(chain))


def test_frozen_statements_verify() -> None:
    decode(first("SignedTransaction-1"), SignedTransaction).verify(chain_id=GENESIS.chain_id)
    decode(first("SignedTicket-1"), SignedTicket).verify(chain_id=GENESIS.chain_id)
    decode(first("SignedReadRequest-1"), SignedReadRequest).verify(chain_id=GENESIS.chain_id)


def test_a_frozen_bundle_and_its_evidence_verify() -> None:
    bundle = decode(first("VoteBundle-1"), VoteBundle)
    signer = GENESIS.validators.vote_key(bundle.validator)
    bundle.verify(signer, chain_id=GENESIS.chain_id)
    for vote, proof in bundle.proofs():
        proof.verify(vote, signer, chain_id=GENESIS.chain_id)


def test_a_frozen_prepared_certificate_verifies() -> None:
    prepared = decode(first("PreparedCertificate-1"), PreparedCertificate)
    primary = GENESIS.validators.primary(first_height=1, view=prepared.view)
    prepared.verify(GENESIS.validators, primary=primary, chain_id=GENESIS.chain_id)


def test_a_frozen_entry_is_proved_from_the_genesis_file_alone() -> None:
    LightClient(GENESIS).verify_entry(decode(first("EntryProof-1"), EntryProof))


@pytest.mark.parametrize("name", ["StateEntryProof-1", "StateEntryProof-2"])
def test_frozen_state_is_proved_from_the_genesis_file_alone(name: str) -> None:
    evidence = decode(first(name), StateEntryProof)
    assert LightClient(GENESIS).verify_state(evidence) == evidence.value


@pytest.mark.parametrize("frozen", FROZEN["merkle"][1:], ids=lambda frozen: str(len(frozen["leaves"])))
def test_frozen_paths_lead_to_their_root(frozen: dict[str, Any]) -> None:
    leaves = [bytes.fromhex(leaf) for leaf in frozen["leaves"]]
    for index, steps in enumerate(frozen["paths"]):
        path = [Digest(bytes.fromhex(step)) for step in steps]
        reached = merkle.root_from_path(merkle.leaf_hash(leaves[index]), index=index, size=len(leaves), path=path)
        assert reached.hex() == frozen["root"], CHANGED


def test_the_frozen_genesis_gives_its_chain_and_block() -> None:
    frozen = FROZEN["genesis"]
    assert GENESIS.chain_id.hex() == sha256(frozen["file"].encode()).hex() == frozen["chain_id"], CHANGED
    assert encode(GENESIS.block).hex() == frozen["block"], CHANGED
    assert GENESIS.block.digest.hex() == frozen["block_digest"], CHANGED


def test_frozen_records_are_a_tree_with_the_frozen_root() -> None:
    kept = {bytes.fromhex(place): bytes.fromhex(record) for place, record in FROZEN["state_tree"]["records"].items()}
    root = state_tree.root(kept.get)
    assert root.hex() == FROZEN["state_tree"]["root"], CHANGED
    for name, value in FROZEN["state_tree"]["state"].items():
        key = bytes.fromhex(name)
        state_tree.verify_presence(root, key, bytes.fromhex(value), state_tree.prove(kept.get, key))


@pytest.mark.parametrize(("value", "data"), FROZEN["integers"].items())
def test_frozen_integers_are_read(value: str, data: str) -> None:
    assert decode_integer(bytes.fromhex(data)) == int(value), CHANGED
