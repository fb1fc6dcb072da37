"""Reading back: blocks, entries, and proofs that a light client accepts."""

import pytest

from contracts.chain import genesis_tip
from ledger import state_keys
from ledger.encoding import encode
from ledger.entries import TransactionEntry
from ledger.genesis import FIRST_HEIGHT
from ledger.hashing import ZERO_DIGEST
from ledger.light_client import LightClient
from ledger.quantities import Era, Height
from node.storage import schema
from node.storage.chain_store import ChainStore
from node.storage.errors import DatabaseDamaged, NotAppended
from node.storage.kv import MemoryStore
from tests.consortium import consortium
from tests.node.storage.chains import extend

MEMBERS = consortium()
BLOCKS = extend(MEMBERS, genesis_tip(MEMBERS.genesis), blocks=7, certified=[1, 4])
HEIGHTS = [Height(height) for height in range(1, len(BLOCKS) + 1)]
CERTIFIED = {1: 2, 2: 2, 3: 5, 4: 5, 5: 5, 6: 7, 7: 7}
"""Height to that of the certificate which finalises it."""


@pytest.fixture
def kv() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(kv: MemoryStore) -> ChainStore:
    made = ChainStore(kv, MEMBERS.genesis)
    made.append_many(BLOCKS)
    return made


def test_every_block_is_found_by_height_and_by_digest(store: ChainStore) -> None:
    for height, (executed, _) in zip(HEIGHTS, BLOCKS, strict=True):
        assert store.block(height) == executed.block
        assert store.header(height) == executed.block.header
        assert store.height_of(executed.block.digest) == height
        assert store.block_by_digest(executed.block.digest) == executed.block


def test_what_was_not_appended_is_none(store: ChainStore) -> None:
    above = Height(8)
    assert store.block(above) is None
    assert store.header(above) is None
    assert store.certificate(above) is None
    assert store.block_by_digest(ZERO_DIGEST) is None
    assert store.height_of(ZERO_DIGEST) is None
    assert store.entry(store.head.header.log_size) is None
    assert store.find_transaction(ZERO_DIGEST) is None
    assert store.validator_set(Era(1)) is None


def test_certificates_stand_where_they_were_given(store: ChainStore) -> None:
    held = [store.certificate(height) for height in (Height(0), *HEIGHTS)]
    assert held == [None, *(certificate for _, certificate in BLOCKS)]


def test_a_block_without_certificate_is_finalised_by_the_next_one_that_has(store: ChainStore) -> None:
    for height in HEIGHTS:
        header, certificate = store.finalising(height)
        assert header.height == certificate.height == CERTIFIED[height]


def test_entries_are_the_blocks_own_and_number_the_log(store: ChainStore) -> None:
    entries = [entry for height in HEIGHTS for entry in store.entries(height)]
    assert entries == [entry for executed, _ in BLOCKS for entry in executed.entries]
    assert entries == [store.entry(index) for index in range(store.head.header.log_size)]
    assert store.entries(Height(0)) == ()


def test_a_transaction_is_found_by_its_id(store: ChainStore) -> None:
    for executed, _ in BLOCKS:
        for entry in executed.entries:
            assert isinstance(entry, TransactionEntry)
            index = store.find_transaction(entry.signed.transaction.id)
            assert index is not None
            assert store.entry(index) == entry


def test_every_entry_is_proved_in_the_log_of_every_block_that_covers_it(store: ChainStore) -> None:
    light = LightClient(MEMBERS.genesis)
    for height in HEIGHTS:
        header = store.header(height)
        assert header is not None
        for index in range(header.log_size):
            proof = store.inclusion_proof(index, height)
            assert proof.header.height == CERTIFIED[height]
            assert light.verify_entry(proof) == store.entry(index)


@pytest.mark.parametrize(("index", "height"), [(3, 1), (0, 0), (0, 8), (21, 7)])
def test_an_entry_that_the_log_does_not_hold_yet_is_not_proved(store: ChainStore, index: int, height: int) -> None:
    with pytest.raises(NotAppended):
        store.inclusion_proof(index, Height(height))


def test_entries_above_the_head_are_refused(store: ChainStore) -> None:
    with pytest.raises(NotAppended, match="expected a height from 0 to 7, got 8"):
        store.entries(Height(8))


def test_values_in_state_are_proved_at_the_head(store: ChainStore) -> None:
    light = LightClient(MEMBERS.genesis)
    for key, value in store.state.scan(b""):
        evidence = store.state_proof(key)
        assert evidence.header == store.head.header
        assert light.verify_state(evidence) == value


@pytest.mark.parametrize("key", [state_keys.task("none"), state_keys.blob(ZERO_DIGEST), b""])
def test_absence_from_state_is_proved_at_the_head(store: ChainStore, key: bytes) -> None:
    evidence = store.state_proof(key)
    assert evidence.value is None
    assert LightClient(MEMBERS.genesis).verify_state(evidence) is None


def test_genesis_alone_has_no_certificate_and_so_no_proofs() -> None:
    store = ChainStore(MemoryStore(), MEMBERS.genesis)
    with pytest.raises(NotAppended, match="certificate"):
        store.state_proof(state_keys.ERA)


def test_the_state_view_reads_one_prefix_of_the_database_and_nothing_else(store: ChainStore) -> None:
    assert store.state.get(state_keys.ERA) == encode((Era(0), FIRST_HEIGHT))
    assert store.state.get(schema.HEAD) is None
    sites = list(store.state.scan(state_keys.PARTICIPANT_PREFIX))
    assert len(sites) == 21
    assert sites == sorted(sites)


def test_a_record_that_is_gone_is_damage_and_not_absence(kv: MemoryStore, store: ChainStore) -> None:
    kv.write({schema.entry(4): None, schema.log_node(1, 0): None}, sync=True)
    with pytest.raises(DatabaseDamaged):
        store.entries(Height(2))
    with pytest.raises(DatabaseDamaged):
        store.inclusion_proof(3, Height(7))
