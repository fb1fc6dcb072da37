"""Blocks: a header that commits to everything, and the transactions it orders.

The digest of a block is the hash of its header alone. There is no view in the header: `proposer` and `time` are those
of the first proposal and never change, so a block keeps its digest through every view change.
"""

from functools import cached_property

from ledger import merkle
from ledger.encoding import Noun, encode
from ledger.hashing import Digest, DigestField, sha256
from ledger.quantities import U63, EraField, HeightField, TimeField, ValidatorField


class BlockHeader(Noun, frozen=True, kw_only=True, dict=True):
    """What validators vote on; frozen from the first block."""

    protocol: U63
    """Version of the rules under which the block was executed."""
    chain_id: DigestField
    """SHA-256 of the genesis file."""
    era: EraField
    """Life of the validator set that decides this block."""
    height: HeightField
    parent: DigestField
    """Digest of the previous header; zero in genesis."""
    time: TimeField
    """Proposer's clock; never before the parent's."""
    proposer: ValidatorField
    """Primary that first proposed the block."""
    transactions_root: DigestField
    """RFC 6962 root over the signed transactions of the block."""
    receipts_root: DigestField
    """RFC 6962 root over the receipts of the block's entries."""
    state_root: DigestField
    """Compact sparse Merkle root of the state after the block."""
    log_size: U63
    """Entries since genesis, this block's included."""
    log_root: DigestField
    """RFC 6962 root over all of them."""
    validators: DigestField
    """Digest of the set that decides this block."""
    next_validators: DigestField
    """Digest of the set that decides the next one; another than `validators` ends the era."""

    @cached_property
    def digest(self) -> Digest:
        """Name of the block."""
        return sha256(encode(self))


class Block(Noun, frozen=True, kw_only=True, dict=True):
    """A header and the canonical bytes of the signed transactions it orders."""

    header: BlockHeader
    transactions: tuple[bytes, ...]

    @cached_property
    def transactions_root(self) -> Digest:
        """RFC 6962 root over the transactions; the header's must be the same."""
        return merkle.root(self.transactions)

    @property
    def digest(self) -> Digest:
        """Name of the block."""
        return self.header.digest
