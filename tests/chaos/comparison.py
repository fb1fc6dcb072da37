"""After the end: the stopped validators' databases, compared byte for byte, and the acknowledged looked for in them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ledger.entries import TransactionEntry
from ledger.quantities import Height
from node.storage.chain_reader import ChainReader
from node.storage.leveldb import LevelDb
from tests.chaos.history import Submission, Violation

CERTIFICATES = b"certificate/"
"""The one kind of record that may differ: any quorum will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What all validators agree on."""

    height: int
    records: int
    transactions: int


def compare(databases: list[Path], acknowledged: list[Submission]) -> Compared:
    """Raise Violation unless all databases are equal and hold every acknowledged transaction exactly once."""
    first, height, transactions = _read(databases[0])
    for database in databases[1:]:
        other, _, _ = _read(database)
        if other != first:
            differing = sorted(key for key in first.keys() | other.keys() if first.get(key) != other.get(key))
            raise Violation(f"{database} and {databases[0]} differ under {len(differing)} keys: {differing[:5]}")
    counts = Counter(identity for identity, _ in transactions)
    twice = [identity for identity, count in counts.items() if count > 1]
    if twice:
        raise Violation(f"transactions that stand twice in the chain: {twice[:5]}")
    places = dict(transactions)
    for submission in acknowledged:
        assert submission.place is not None
        if places.get(submission.identity) != submission.place.order:
            raise Violation(f"{submission} is not where it was told to be: {places.get(submission.identity)}")
    return Compared(height=height, records=len(first), transactions=len(transactions))


def _read(database: Path) -> tuple[dict[bytes, bytes], int, list[tuple[str, tuple[int, int]]]]:
    """Return all records but certificates, the head, and each transaction's id and place (height, position)."""
    kv = LevelDb(database)
    try:
        records = {key: value for key, value in kv.scan(b"") if not key.startswith(CERTIFICATES)}
        chain = ChainReader(kv)
        transactions: list[tuple[str, tuple[int, int]]] = [
            (entry.signed.transaction.id.hex(), (entry.receipt.height, entry.receipt.position))
            for height in range(chain.height() + 1)
            for entry in chain.entries(Height(height))
            if isinstance(entry, TransactionEntry)
        ]
        return records, int(chain.height()), transactions
    finally:
        kv.close()
