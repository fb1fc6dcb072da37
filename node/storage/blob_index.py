"""What a node knows about each blob it stores, kept in a key-value store beside the files.

Only orphans (blobs that no block has recorded yet) are held in memory: they alone are asked about as a group, and
tickets expire, so there are never many. Give the index a store of its own rather than the chain's: then a chain
database that has to be fetched again costs no blob.
"""

from collections.abc import Iterator

from ledger.blobs import BlobFacts
from ledger.encoding import Noun, decode, encode
from ledger.hashing import Digest
from ledger.keys import PublicKeyField
from ledger.quantities import U63, HeightField
from node.storage.kv import KeyValueStore

PREFIX = b"blob/"


class StoredBlob(Noun, frozen=True, kw_only=True):
    """A blob in this node's store."""

    size: U63
    author: PublicKeyField
    """Whose ticket brought it; against that key's quota it counts until it is recorded."""
    expires: HeightField
    """Last height at which it is kept without being recorded."""
    facts: BlobFacts | None = None
    """None until a worker has computed them."""
    recorded: bool = False
    """A block has recorded it: it is kept until it is deleted by name."""


class BlobIndex:
    """The records of all stored blobs, their total size, and the orphans among them."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self.bytes_total = 0
        self.orphans: dict[Digest, StoredBlob] = {}
        for digest, stored in self:
            self._count(digest, None, stored)

    def __iter__(self) -> Iterator[tuple[Digest, StoredBlob]]:
        for key, value in self._kv.scan(PREFIX):
            yield Digest(key[len(PREFIX) :]), decode(value, StoredBlob)

    def get(self, digest: Digest) -> StoredBlob | None:
        """Return the record of a blob, or None."""
        found = self._kv.get(PREFIX + digest)
        return None if found is None else decode(found, StoredBlob)

    def put(self, digest: Digest, stored: StoredBlob | None) -> None:
        """Set the record of a blob, or remove it (None), durably."""
        before = self.get(digest)
        self._kv.write({PREFIX + digest: None if stored is None else encode(stored)}, sync=True)
        self._count(digest, before, stored)

    def _count(self, digest: Digest, before: StoredBlob | None, after: StoredBlob | None) -> None:
        self.bytes_total += (after.size if after else 0) - (before.size if before else 0)
        self.orphans.pop(digest, None)
        if after and not after.recorded:
            self.orphans[digest] = after
