"""After the end: the stopped validators' databases, compared byte for byte, and the acknowledged looked for in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import decode
from ledger.entries import TransactionEntry
from ledger.errors import InputError, VerificationFailed
from ledger.genesis import Genesis
from ledger.light_client import LightClient
from ledger.quantities import Height
from node.storage import schema
from node.storage.chain_reader import ChainReader
from node.storage.leveldb import LevelDb
from tests.chaos.history import Submission, Violation

CERTIFICATES = b"certificate/"
"""The one kind of record that may differ: any quorum will do, and a block in a batch needs none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What all validators agree on."""

    height: int
    records: int
    transactions: int
    certificates: int
    """That were verified, at all validators together."""


def compare(databases: Sequence[Path], acknowledged: Sequence[Submission], genesis: Genesis) -> Compared:
    """Raise Violation unless all databases are equal and hold every acknowledged transaction exactly once.

    Certificates must be valid for the blocks that they stand beside, and the head needs one.
    """
    found = [_records(database) for database in databases]
    first, _ = found[0]
    for database, (other, _) in zip(databases, found, strict=True):
        if other != first:
            differing = sorted(key for key in first.keys() | other.keys() if first.get(key) != other.get(key))
            raise Violation(f"{database} and {databases[0]} differ under {len(differing)} keys: {differing[:5]}")
    headers, transactions = _chain(databases[0])
    counts = Counter(identity for identity, _ in transactions)
    twice = [identity for identity, count in counts.items() if count > 1]
    if twice:
        raise Violation(f"transactions that stand twice in the chain: {twice[:5]}")
    places = dict(transactions)
    for submission in acknowledged:
        assert submission.place is not None
        if places.get(submission.identity) != submission.place.order:
            raise Violation(f"{submission} is not where it was told to be: {places.get(submission.identity)}")
    for database, (_, certificates) in zip(databases, found, strict=True):
        _check_certificates(database, headers, certificates, LightClient(genesis))
    return Compared(
        height=headers[-1].height,
        records=len(first),
        transactions=len(transactions),
        certificates=sum(len(certificates) for _, certificates in found),
    )


def _records(database: Path) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Return all records but certificates, and the certificates."""
    kv = LevelDb(database)
    try:
        records, certificates = dict[bytes, bytes](), dict[bytes, bytes]()
        for key, value in kv.scan(b""):
            (certificates if key.startswith(CERTIFICATES) else records)[key] = value
        return records, certificates
    finally:
        kv.close()


def _chain(database: Path) -> tuple[list[BlockHeader], list[tuple[str, tuple[int, int]]]]:
    """Return the headers, and each transaction's id and place (height, position)."""
    kv = LevelDb(database)
    try:
        chain = ChainReader(kv)
        headers, transactions = list[BlockHeader](), list[tuple[str, tuple[int, int]]]()
        for height in range(chain.height() + 1):
            header = chain.header(Height(height))
            assert header is not None
            headers.append(header)
            transactions += [
                (entry.signed.transaction.id.hex(), (entry.receipt.height, entry.receipt.position))
                for entry in chain.entries(Height(height))
                if isinstance(entry, TransactionEntry)
            ]
        return headers, transactions
    finally:
        kv.close()


def _check_certificates(
    database: Path, headers: Sequence[BlockHeader], certificates: dict[bytes, bytes], light: LightClient
) -> None:
    remaining = dict(certificates)
    for header in headers:
        raw = remaining.pop(schema.certificate(Height(header.height)), None)
        try:
            if raw is not None:
                light.verify_header(header, decode(raw, CommitCertificate))
            elif header is headers[-1] and header.height:
                raise Violation(f"{database}: the head, block {header.height}, has no certificate")
        except (InputError, VerificationFailed) as error:
            raise Violation(f"{database}: certificate of block {header.height}: {error}") from error
    if remaining:
        raise Violation(f"{database}: certificates of no block: {sorted(remaining)[:5]}")
