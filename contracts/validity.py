"""What may stand in a block at all, judged from bytes and the parent block's state alone.

An invalid transaction never enters a block, and one of them makes a block invalid; everything else is for the
contracts to accept or refuse. The proposer skips what `BlockAdmission` refuses, replay turns it into an invalid block,
and the mempool asks `check` whether a transaction could follow the tip.
"""

from collections import Counter
from typing import Protocol

from contracts import queries
from contracts.errors import (
    BlockFull,
    ExpiredTransaction,
    ReplayedTransaction,
    SenderLimit,
    UnknownKey,
    ValidUntilTooFar,
)
from ledger import state_keys
from ledger.errors import WrongChain
from ledger.hashing import Digest
from ledger.keys import PublicKey
from ledger.quantities import Height
from ledger.state import StateView
from ledger.transactions import SignedTransaction, decode_transaction


class TransactionReader(Protocol):
    """How bytes become a transaction: a node remembers those it has seen, by all of their bytes, never by their id."""

    def decode(self, raw: bytes) -> SignedTransaction:
        """Return the transaction; raises TooLarge, MalformedEncoding, NonCanonicalEncoding."""
        ...

    def verify(self, raw: bytes, signed: SignedTransaction) -> None:
        """Raise InvalidSignature unless the bytes carry their author's signature."""
        ...


class PlainReader:
    """Decodes and verifies each time."""

    def __init__(self, chain_id: Digest) -> None:
        self._chain_id = chain_id

    def decode(self, raw: bytes) -> SignedTransaction:
        """Return the transaction; raises TooLarge, MalformedEncoding, NonCanonicalEncoding."""
        return decode_transaction(raw)

    def verify(self, _raw: bytes, signed: SignedTransaction) -> None:
        """Raise InvalidSignature unless the author has signed."""
        signed.verify(chain_id=self._chain_id)


class BlockAdmission:
    """Checks the transactions of one block in order, and counts them against its limits."""

    def __init__(
        self, state: StateView, *, height: Height, chain_id: Digest, reader: TransactionReader | None = None
    ) -> None:
        """Begin the block at `height`, whose parent left `state`."""
        self._state = state
        self._height = height
        self._chain_id = chain_id
        self._reader = reader or PlainReader(chain_id)
        self._parameters = queries.parameters(state)
        self._ids: set[Digest] = set()
        self._bytes = 0
        self._sender_transactions: Counter[PublicKey] = Counter()
        self._sender_bytes: Counter[PublicKey] = Counter()

    @property
    def full(self) -> bool:
        """Whether the block has as many transactions as it may."""
        return len(self._ids) >= self._parameters.block_transactions_max

    def check(self, signed: SignedTransaction) -> None:
        """Raise WrongChain or a kind of InvalidTransaction unless this could stand in the block, were it empty.

        The signature is not checked here.
        """
        transaction = signed.transaction
        if transaction.chain_id != self._chain_id:
            raise WrongChain(
                "chain id of the transaction", expected=self._chain_id.hex(), got=transaction.chain_id.hex()
            )
        if transaction.valid_until < self._height:
            raise ExpiredTransaction("valid_until", expected=f"at least {self._height}", got=transaction.valid_until)
        furthest = self._height + self._parameters.validity_heights_max
        if transaction.valid_until > furthest:
            raise ValidUntilTooFar("valid_until", expected=f"at most {furthest}", got=transaction.valid_until)
        if queries.key_record(self._state, transaction.author) is None:
            raise UnknownKey("author", expected="a key on chain", got=transaction.author.hex())
        if self._state.get(state_keys.used(transaction.valid_until, transaction.id)) is not None:
            raise ReplayedTransaction("transaction id", expected="an unused one", got=transaction.id.hex())

    def admit(self, raw: bytes) -> SignedTransaction:
        """Return the next transaction of the block and count it.

        Raises TooLarge, MalformedEncoding, NonCanonicalEncoding, InvalidSignature, and what `check` raises; then
        nothing is counted.
        """
        signed = self._reader.decode(raw)
        self.check(signed)
        identity, author = signed.transaction.id, signed.transaction.author
        if identity in self._ids:
            raise ReplayedTransaction("transaction id", expected="each once in a block", got=identity.hex())
        self._check_room(author, len(raw))
        self._reader.verify(raw, signed)
        self._ids.add(identity)
        self._bytes += len(raw)
        self._sender_transactions[author] += 1
        self._sender_bytes[author] += len(raw)
        return signed

    def _check_room(self, author: PublicKey, size: int) -> None:
        limits = self._parameters
        if self.full:
            raise BlockFull(
                "transactions in the block", expected=f"at most {limits.block_transactions_max}", got=len(self._ids) + 1
            )
        if self._bytes + size > limits.block_bytes_max:
            raise BlockFull("bytes in the block", expected=f"at most {limits.block_bytes_max}", got=self._bytes + size)
        count = self._sender_transactions[author] + 1
        if count > limits.sender_transactions_max:
            raise SenderLimit(
                "transactions of one author", expected=f"at most {limits.sender_transactions_max}", got=count
            )
        total = self._sender_bytes[author] + size
        if total > limits.sender_bytes_max:
            raise SenderLimit("bytes of one author", expected=f"at most {limits.sender_bytes_max}", got=total)
