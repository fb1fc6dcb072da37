"""Blobs of two authors, for tests of the store."""

from pathlib import Path

from ledger.blobs import LayoutFacts
from ledger.hashing import Digest, sha256
from ledger.keys import PublicKey
from ledger.quantities import Height
from node.storage.blob_store import BlobStore

ALICE, BOB = PublicKey(bytes(32)), PublicKey(bytes([1]) * 32)
EXPIRES = Height(10)
FACTS = LayoutFacts(
    tensors=1, weight_elements=2, statistic_elements=0, frozen_elements=0, exponent_min=20, exponent_max=20
)


def add(store: BlobStore, content: bytes, *, author: PublicKey = ALICE, expires: int = EXPIRES) -> Digest:
    digest = sha256(content)
    with store.begin(digest, len(content), author=author, expires=Height(expires)) as incoming:
        incoming.write(content)
        incoming.finish()
    return digest


def files(directory: Path) -> list[str]:
    """Return every file below a directory, as paths from it."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def never(_: Digest) -> bool:
    return False
