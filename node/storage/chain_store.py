"""Appending blocks: everything that belongs to a block reaches the disk in one atomic synced write, or not at all.

So a node that is killed at any instant finds its database after some block, never inside one. A block arrives executed;
this module decides only whether it is the next one. Certificates were verified by consensus; here they must merely
speak of the block that they come with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contracts.chain import ExecutedBlock, Tip, genesis_block
from ledger import merkle, state_keys, state_tree
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import decode, encode
from ledger.entries import TransactionEntry
from ledger.genesis import Genesis
from ledger.hashing import sha256
from ledger.quantities import Era
from node.storage import schema
from node.storage.chain_reader import ChainReader
from node.storage.errors import AppendRefused, DatabaseDamaged
from node.storage.kv import KeyValueStore

Batch: TypeAlias = dict[bytes, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last appended block."""

    header: BlockHeader
    certificate: CommitCertificate | None
    """Its own; None for genesis alone."""


class ChainStore(ChainReader):
    """The chain of one genesis file in one database. Appends must not overlap each other."""

    def __init__(self, kv: KeyValueStore, genesis: Genesis) -> None:
        """Open, or begin with genesis.

        Raises UnsupportedSchema, ForeignChain, DatabaseDamaged, or UnsupportedProtocol for another release's genesis.
        """
        super().__init__(kv)
        if not schema.is_begun(kv, genesis.chain_id):
            kv.write(_genesis_writes(genesis), sync=True)
        self._head = self._load_head()
        self._tip = self._make_tip(self._load_frontier())
        """Made once a block: consensus asks for it at every message."""

    @property
    def head(self) -> Head:
        """The last appended block and its certificate."""
        return self._head

    def tip(self) -> Tip:
        """Return the head as execution sees it.

        Its views read the database at each call: they are of use until the next append, and below overlays of blocks
        that descend from what was appended.
        """
        return self._tip

    def _make_tip(self, frontier: merkle.Frontier) -> Tip:
        return Tip(header=self._head.header, frontier=frontier, state=self.state, tree=self.tree_record)

    def append(self, executed: ExecutedBlock, certificate: CommitCertificate | None) -> None:
        """Append one block durably; raises as `append_many`."""
        self.append_many([(executed, certificate)])

    def append_many(self, blocks: Sequence[tuple[ExecutedBlock, CommitCertificate | None]]) -> None:
        """Append consecutive blocks durably, all or none of them; those already appended are passed over.

        Raises AppendRefused when a block is not the next one, differs from the appended one at its height, carries a
        certificate for another block, or lacks one where it is the last or ends an era; StorageFailed when the disk
        refuses.
        """
        batch: Batch = {}
        head = self._head
        frontier = self._tip.frontier
        for executed, certificate in blocks:
            header = executed.block.header
            if header.height <= self._head.header.height:
                self._check_same(header)
                continue
            _check_next(head.header, header)
            _check_certificate(header, certificate)
            batch.update(_block_writes(executed, certificate))
            head, frontier = Head(header=header, certificate=certificate), executed.frontier
            assert frontier.size == header.log_size
            assert frontier.root() == header.log_root
            assert state_tree.root(lambda place: self._record_after(batch, place)) == header.state_root
        if not batch:
            return
        if head.certificate is None:
            raise AppendRefused(
                f"certificate of block {head.header.height}", expected="one, being the last", got="none"
            )
        self._kv.write(batch, sync=True)
        self._head = head
        self._tip = self._make_tip(frontier)

    def _check_same(self, header: BlockHeader) -> None:
        appended = self._header(header.height)
        if header.digest != appended.digest:
            raise AppendRefused(
                f"block at appended height {header.height}", expected=appended.digest.hex(), got=header.digest.hex()
            )

    def _record_after(self, batch: Batch, position: bytes) -> bytes | None:
        key = schema.tree_node(position)
        return batch[key] if key in batch else self._kv.get(key)

    def _load_head(self) -> Head:
        height = self.height()
        header, certificate = self.header(height), self.certificate(height)
        if header is None or (certificate is None and height > 0):
            raise DatabaseDamaged("head", expected=f"block {height} and its certificate", got="one or none of them")
        root = state_tree.root(self.tree_record)
        if root != header.state_root:
            raise DatabaseDamaged("state root", expected=header.state_root.hex(), got=root.hex())
        return Head(header=header, certificate=certificate)

    def _load_frontier(self) -> merkle.Frontier:
        frontier = decode(self._required(schema.FRONTIER), merkle.Frontier)
        expected = (self._head.header.log_size, self._head.header.log_root)
        if (frontier.size, frontier.root()) != expected:
            raise DatabaseDamaged("frontier of the log", expected=expected[0], got=frontier.size)
        return frontier


def _check_next(head: BlockHeader, header: BlockHeader) -> None:
    expected = (head.height + 1, head.digest)
    got = (header.height, header.parent)
    if got != expected:
        raise AppendRefused(
            "block after the head (height, parent)",
            expected=f"({expected[0]}, {expected[1].hex()})",
            got=f"({got[0]}, {got[1].hex()})",
        )


def _check_certificate(header: BlockHeader, certificate: CommitCertificate | None) -> None:
    if certificate is None:
        if header.validators != header.next_validators:
            raise AppendRefused(
                f"certificate of block {header.height}", expected="one of its own, since it ends an era", got="none"
            )
        return
    expected = (header.era, header.height, header.digest)
    got = (certificate.era, certificate.height, certificate.digest)
    if got != expected:
        raise AppendRefused(
            "subject of the certificate (era, height, digest)",
            expected=f"({expected[0]}, {expected[1]}, {expected[2].hex()})",
            got=f"({got[0]}, {got[1]}, {got[2].hex()})",
        )


def _genesis_writes(genesis: Genesis) -> Batch:
    batch = _block_writes(genesis_block(genesis), None)
    batch[schema.SCHEMA] = str(schema.SCHEMA_VERSION).encode()
    batch[schema.CHAIN] = genesis.chain_id
    batch[schema.validators(Era(0))] = encode(genesis.validators.members)
    return batch


def _block_writes(executed: ExecutedBlock, certificate: CommitCertificate | None) -> Batch:
    header = executed.block.header
    batch: Batch = {
        schema.HEAD: schema.number(header.height),
        schema.FRONTIER: encode(executed.frontier),
        schema.header(header.height): encode(header),
        schema.body(header.height): encode(executed.block.transactions),
        schema.height_of(header.digest): schema.number(header.height),
    }
    if certificate is not None:
        batch[schema.certificate(header.height)] = encode(certificate)
    first = header.log_size - len(executed.entries)
    for index, entry in enumerate(executed.entries, start=first):
        batch[schema.entry(index)] = entry.data
        if isinstance(entry, TransactionEntry):
            batch[schema.transaction(entry.signed.transaction.id)] = schema.number(index)
    batch.update((schema.state(key), value) for key, value in executed.state_writes.items())
    batch.update((schema.tree_node(position), record) for position, record in executed.tree_writes.items())
    batch.update((schema.log_node(level, index), node) for level, index, node in executed.log_nodes)
    if header.next_validators != header.validators:
        members = executed.state_writes[state_keys.VALIDATORS]
        assert members is not None
        assert sha256(members) == header.next_validators
        batch[schema.validators(Era(header.era + 1))] = members
    return batch
