"""Keys of the chain's database, and what it refuses to open."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import U63_MAX, Era, Height
from node.storage import schema
from node.storage.errors import ForeignChain, UnsupportedSchema
from node.storage.kv import MemoryStore

CHAIN = sha256(b"chain")


def begun(**changed: bytes) -> MemoryStore:
    return MemoryStore(
        {schema.SCHEMA: b"1", schema.CHAIN: CHAIN} | {key.encode(): value for key, value in changed.items()}
    )


def test_an_empty_database_is_to_be_begun() -> None:
    assert not schema.is_begun(MemoryStore(), CHAIN)


def test_the_database_of_this_chain_is_begun() -> None:
    assert schema.is_begun(begun(), CHAIN)


@pytest.mark.parametrize("found", [b"2", b"0", b"01", b"\xff"])
def test_another_schema_is_refused_with_both_numbers_and_what_to_run(found: bytes) -> None:
    with pytest.raises(UnsupportedSchema, match="expected 1, got") as refusal:
        schema.is_begun(begun(schema=found), CHAIN)
    assert "release that wrote these files" in refusal.value.hint


def test_the_database_of_another_chain_is_refused() -> None:
    with pytest.raises(ForeignChain, match=CHAIN.hex()):
        schema.is_begun(begun(), ZERO_DIGEST)


def test_a_database_without_a_chain_id_is_refused() -> None:
    with pytest.raises(ForeignChain, match="got none"):
        schema.is_begun(MemoryStore({schema.SCHEMA: b"1"}), CHAIN)


def test_no_kind_of_record_begins_with_the_key_of_another() -> None:
    height, era = Height(1), Era(1)
    keys = [
        *(schema.SCHEMA, schema.CHAIN, schema.HEAD, schema.FRONTIER),
        *(schema.header(height), schema.body(height), schema.certificate(height), schema.height_of(CHAIN)),
        *(schema.entry(1), schema.transaction(CHAIN), schema.log_node(1, 1)),
        *(schema.state(b"key"), schema.tree_node(b"\0\0"), schema.validators(era)),
    ]
    kinds = sorted(key.split(b"/")[0] for key in keys)
    assert all(one != other for one, other in pairwise(kinds))


@settings(deadline=None)
@given(one=st.integers(0, U63_MAX), other=st.integers(0, U63_MAX))
def test_scans_visit_numbers_in_order(one: int, other: int) -> None:
    assert (schema.entry(one) < schema.entry(other)) == (one < other)
