"""Reading what was appended: blocks, certificates, entries by place and by transaction, and proofs about them.

Look-ups return None for what the chain does not hold; proofs raise instead. A proof reads several records, so nothing
may be appended while it is made. A node that joined from a snapshot has no blocks up to its `base`: there look-ups
return None, and what must raise raises BelowSnapshot.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import TypeVar, cast

from ledger import merkle, state_tree
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import decode
from ledger.entries import Entry
from ledger.genesis import FIRST_HEIGHT
from ledger.hashing import Digest
from ledger.light_client import EntryProof, StateEntryProof
from ledger.quantities import Era, Height
from ledger.snapshots import EraBoundary
from ledger.validators import Validator, ValidatorSet
from node.storage import schema
from node.storage.errors import BelowSnapshot, DatabaseDamaged, NotAppended
from node.storage.kv import KeyValueStore

T = TypeVar("T")

_ENTRY = cast("type[Entry]", Entry)
_TRANSACTIONS = tuple[bytes, ...]
_MEMBERS = tuple[Validator, ...]


class AppendedState:
    """The state map after the head, read from the database at each call."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        return self._kv.get(schema.state(key))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs whose key begins with `prefix`, in ascending order of key."""
        start = len(schema.STATE_PREFIX)
        return ((key[start:], value) for key, value in self._kv.scan(schema.state(prefix)))


class ChainReader:
    """The chain as it was appended to a database."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self.state = AppendedState(kv)

    def height(self) -> Height:
        """Return the height of the head."""
        return Height(int.from_bytes(self._required(schema.HEAD), "big"))

    @property
    def base(self) -> Height:
        """Height of the snapshot that this chain began with here; 0 where it began with genesis."""
        found = self._kv.get(schema.BASE)
        return Height(0 if found is None else int.from_bytes(found, "big"))

    def check_above_base(self, height: Height) -> None:
        """Raise BelowSnapshot for a height whose block was never here."""
        base = self.base
        if 0 < height <= base:
            raise BelowSnapshot("block", expected=f"a height above this node's snapshot, {base}", got=height)

    def header(self, height: Height) -> BlockHeader | None:
        """Return the header at a height."""
        return self._decoded(schema.header(height), BlockHeader)

    def block(self, height: Height) -> Block | None:
        """Return the block at a height."""
        header = self.header(height)
        transactions = self._decoded(schema.body(height), _TRANSACTIONS)
        if header is None or transactions is None:
            return None
        return Block(header=header, transactions=transactions)

    def height_of(self, block: Digest) -> Height | None:
        """Return the height of the block with this digest."""
        found = self._kv.get(schema.height_of(block))
        return None if found is None else Height(int.from_bytes(found, "big"))

    def block_by_digest(self, block: Digest) -> Block | None:
        """Return the block with this digest."""
        height = self.height_of(block)
        return None if height is None else self.block(height)

    def certificate(self, height: Height) -> CommitCertificate | None:
        """Return the block's own certificate; genesis has none, others may have only a descendant's."""
        return self._decoded(schema.certificate(height), CommitCertificate)

    def finalising(self, height: Height) -> tuple[BlockHeader, CommitCertificate]:
        """Return the first header at or above `height` that has its own certificate: it finalises the one at `height`.

        Raises NotAppended above the head, and for genesis while it is the head.
        """
        head = self.height()
        for above in range(height, head + 1):
            certificate = self.certificate(Height(above))
            if certificate is not None:
                return self._header(Height(above)), certificate
        raise NotAppended(f"certificate for block {height}", expected=f"one at or below the head, {head}", got="none")

    def entry(self, index: int) -> Entry | None:
        """Return the entry at a place in the log."""
        return self._decoded(schema.entry(index), _ENTRY)

    def entries(self, height: Height) -> tuple[Entry, ...]:
        """Return the entries of a block in order; raises NotAppended above the head, or BelowSnapshot."""
        self.check_above_base(height)
        end = self._header(height).log_size
        start = self._header(Height(height - 1)).log_size if height else 0
        return tuple(self._entry(index) for index in range(start, end))

    def find_transaction(self, identity: Digest) -> int | None:
        """Return the log index of the entry of the transaction with this id."""
        found = self._kv.get(schema.transaction(identity))
        return None if found is None else int.from_bytes(found, "big")

    def inclusion_proof(self, index: int, height: Height) -> EntryProof:
        """Return the proof that an entry stands in the log after block `height`.

        Where that block has no certificate of its own, the proof is made for the next one that has. Raises NotAppended
        when the block is above the head or the log after it does not reach the entry, BelowSnapshot for an entry that
        was never here.
        """
        size = self._header(height).log_size
        base = self.base
        if base and index < (first := self._header(base).log_size):
            raise BelowSnapshot("log index", expected=f"at least {first}, that after this node's snapshot", got=index)
        if index >= size:
            raise NotAppended("log index", expected=f"below {size}, the log's size after block {height}", got=index)
        header, certificate = self.finalising(height)
        return EntryProof(
            header=header,
            certificate=certificate,
            entry=self._entry(index),
            index=index,
            path=merkle.inclusion_path(index, header.log_size, self._log_node),
        )

    def state_proof(self, key: bytes) -> StateEntryProof:
        """Return the proof of a key's value, or of its absence, in the state after the head.

        Raises NotAppended while genesis is the head: it has no certificate.
        """
        header, certificate = self.finalising(self.height())
        return StateEntryProof(
            header=header,
            certificate=certificate,
            key=key,
            value=self.state.get(key),
            proof=state_tree.prove(self.tree_record, key),
        )

    def tree_record(self, position: bytes) -> bytes | None:
        """Return a record of the state tree after the head (a `state_tree.Reader`)."""
        return self._kv.get(schema.tree_node(position))

    def validator_set(self, era: Era) -> ValidatorSet | None:
        """Return the set of an era that has begun, or that begins with the next block."""
        members = self._decoded(schema.validators(era), _MEMBERS)
        return None if members is None else ValidatorSet(members)

    def era_start(self, era: Era) -> Height:
        """Return the first height of an era that has begun with an appended block."""
        base, start = self.base, FIRST_HEIGHT
        if era > self._header(base).era:
            heights = range(base, self.height() + 1)
            return Height(base + bisect_right(heights, era - 1, key=lambda place: self._header(Height(place)).era))
        for _, value in self._kv.scan(schema.HEADER_PREFIX):
            header = decode(value, BlockHeader)  # up to the base there are only the last blocks of eras
            if header.height > base or header.era >= era:
                break
            start = Height(header.height + 1)
        return start

    def boundaries(self, before: Era) -> tuple[EraBoundary, ...]:
        """Return the last block of every era before one that has begun, with the set that followed it."""
        return tuple(self.era_boundary(Era(era)) for era in range(1, before + 1))

    def era_boundary(self, era: Era) -> EraBoundary:
        """Return an era's set and the block before it; raises NotAppended for era 0 and for one that has not begun."""
        members = self._decoded(schema.validators(era), _MEMBERS)
        if era == 0 or members is None:
            raise NotAppended("beginning of an era", expected="an era from 1 to the current one", got=era)
        height = Height(self.era_start(era) - 1)
        certificate = self.certificate(height)
        if certificate is None:
            raise DatabaseDamaged(f"certificate of block {height}", expected="one, since it ends an era", got="none")
        return EraBoundary(header=self._header(height), certificate=certificate, members=members)

    def _header(self, height: Height) -> BlockHeader:
        header = self.header(height)
        if header is None:
            self.check_above_base(height)
            raise NotAppended("block", expected=f"a height from 0 to {self.height()}", got=height)
        return header

    def _entry(self, index: int) -> Entry:
        return decode(self._required(schema.entry(index)), _ENTRY)

    def _log_node(self, level: int, index: int) -> Digest:
        return Digest(self._required(schema.log_node(level, index)))

    def _decoded(self, key: bytes, kind: type[T]) -> T | None:
        found = self._kv.get(key)
        return None if found is None else decode(found, kind)

    def _required(self, key: bytes) -> bytes:
        found = self._kv.get(key)
        if found is None:
            raise DatabaseDamaged("record of the database", expected=f"a value under {key!r}", got="none")
        return found
