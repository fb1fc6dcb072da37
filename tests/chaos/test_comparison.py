"""The comparison of databases must find what a validator lost, doubled, moved or changed: each is planted here."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.encoding import encode
from ledger.entries import TransactionEntry
from ledger.quantities import Height
from node.storage import schema
from node.storage.chain_reader import ChainReader
from node.storage.chain_store import ChainStore
from node.storage.leveldb import LevelDb
from tests.chaos.comparison import compare
from tests.chaos.history import Claim, Place, Submission, Violation, Won
from tests.consortium import consortium
from tests.node.storage.chains import certify, grow

MEMBERS = consortium()
BLOCKS = 3
Plant = Callable[[LevelDb], None]


@pytest.fixture
def databases(tmp_path: Path) -> list[Path]:
    found = [tmp_path / str(place) for place in range(2)]
    kv = LevelDb(found[0])
    grow(MEMBERS, ChainStore(kv, MEMBERS.genesis), BLOCKS)
    kv.close()
    shutil.copytree(found[0], found[1])
    return found


def acknowledged(database: Path) -> list[Submission]:
    """Return every transaction of a chain, as clients would have been told."""
    kv = LevelDb(database)
    chain = ChainReader(kv)
    entries = [entry for height in range(1, BLOCKS + 1) for entry in chain.entries(Height(height))]
    kv.close()
    return [
        Submission(
            identity=entry.signed.transaction.id.hex(),
            claim=Claim(organisation=0, name=str(number)),
            called=number,
            answered=number + 0.5,
            place=Place(height=entry.receipt.height, position=entry.receipt.position),
            fate=Won(number=number),
        )
        for number, entry in enumerate(entries)
        if isinstance(entry, TransactionEntry)
    ]


def change(database: Path, plant: Plant) -> None:
    kv = LevelDb(database)
    plant(kv)
    kv.close()


def certificate(height: int) -> bytes:
    return schema.certificate(Height(height))


def test_equal_databases_with_everything_in_its_place_are_accepted(databases: list[Path]) -> None:
    told = acknowledged(databases[0])
    compared = compare(databases, told, MEMBERS.genesis)
    assert (compared.height, compared.transactions, compared.certificates) == (BLOCKS, len(told), 2 * BLOCKS)


def test_another_quorum_s_certificate_is_no_difference(databases: list[Path]) -> None:
    def plant(kv: LevelDb) -> None:
        header = ChainReader(kv).header(Height(2))
        assert header is not None
        kv.write({certificate(2): encode(certify(MEMBERS, header, view=4)), certificate(1): None}, sync=True)

    change(databases[1], plant)
    assert compare(databases, [], MEMBERS.genesis).certificates == 2 * BLOCKS - 1


@pytest.mark.parametrize(
    "kind", ["header", "body", "height", "entry", "transaction", "log", "state", "tree", "frontier"]
)
@pytest.mark.parametrize(
    "damage", [lambda value: bytes([value[0] ^ 1]) + value[1:], lambda _: None], ids=["bit", "lost"]
)
def test_one_record_that_is_another_is_found(
    databases: list[Path], kind: str, damage: Callable[[bytes], bytes | None]
) -> None:
    def plant(kv: LevelDb) -> None:
        *_, (key, value) = kv.scan(kind.encode())
        kv.write({key: damage(value)}, sync=True)

    change(databases[1], plant)
    with pytest.raises(Violation, match="differ under 1 keys"):
        compare(databases, [], MEMBERS.genesis)


def test_a_block_that_only_one_has_is_found(databases: list[Path]) -> None:
    change(databases[1], lambda kv: grow(MEMBERS, ChainStore(kv, MEMBERS.genesis), 1))
    with pytest.raises(Violation, match="differ under"):
        compare(databases, [], MEMBERS.genesis)


def test_what_all_have_lost_is_found(databases: list[Path]) -> None:
    """Told to be final, and in no chain: equality alone would not show it."""
    lost = replace(acknowledged(databases[0])[0], identity="ab" * 32)
    with pytest.raises(Violation, match="is not where it was told to be: None"):
        compare(databases, [lost], MEMBERS.genesis)


def test_what_all_have_moved_is_found(databases: list[Path]) -> None:
    first, second, *_ = acknowledged(databases[0])
    with pytest.raises(Violation, match="is not where it was told to be"):
        compare(databases, [replace(first, place=second.place)], MEMBERS.genesis)


def test_what_all_have_doubled_is_found(databases: list[Path]) -> None:
    for database in databases:
        change(database, lambda kv: kv.write({schema.entry(2): kv.get(schema.entry(1))}, sync=True))
    with pytest.raises(Violation, match="stand twice in the chain"):
        compare(databases, [], MEMBERS.genesis)


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        (lambda kv: kv.write({certificate(BLOCKS): None}, sync=True), "the head, block 3, has no certificate"),
        (lambda kv: kv.write({certificate(1): kv.get(certificate(2))}, sync=True), "certificate of block 1"),
        (lambda kv: kv.write({certificate(1): b"no certificate"}, sync=True), "certificate of block 1"),
        (lambda kv: kv.write({certificate(9): kv.get(certificate(2))}, sync=True), "certificates of no block"),
    ],
)
def test_a_certificate_that_is_not_valid_is_found(databases: list[Path], plant: Plant, what: str) -> None:
    change(databases[1], plant)
    with pytest.raises(Violation, match=what):
        compare(databases, [], MEMBERS.genesis)
