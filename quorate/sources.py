"""Where evidence comes from: one interface over a running node and an exported folder.

A source is never trusted. It gives bytes; `quorate.verification` decides what they are worth.
"""

from typing import Protocol, TypeAlias

from ledger.certificates import CertifiedBlock
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.quantities import Height

Buffer: TypeAlias = bytes | memoryview
"""Bytes of a blob; of a mapped file, a view of it."""


class ChainSource(Protocol):
    """A chain's blocks and blobs."""

    @property
    def name(self) -> str:
        """What messages call it: the folder, or the node's address."""
        ...

    def genesis(self) -> Genesis:
        """Return the genesis that this source claims; raises InputError, EvidenceMissing."""
        ...

    def head(self) -> Height:
        """Return the height of the last block there is; raises EvidenceMissing."""
        ...

    def block(self, height: Height) -> CertifiedBlock:
        """Return a block above genesis; raises InputError, EvidenceMissing."""
        ...

    def blob(self, digest: Digest) -> Buffer:
        """Return what is kept under a digest, which the caller checks; raises EvidenceMissing."""
        ...
