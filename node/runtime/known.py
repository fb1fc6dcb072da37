"""What a node need not decode and verify again: transactions that it has seen, by all of their bytes.

A signature is checked once and remembered under body, key and signature, which is what the bytes are; never under the
id, which leaves the signature out.
"""

from collections import OrderedDict

from ledger.hashing import Digest, sha256
from ledger.transactions import SignedTransaction, decode_transaction
from node.mempool import Mempool

VERIFIED_MAX = 8_192
"""Signatures remembered of transactions that do not wait here: those of blocks that hold what was never gossiped."""


class KnownTransactions:
    """A `contracts.validity.TransactionReader` over the mempool."""

    def __init__(self, mempool: Mempool, chain_id: Digest) -> None:
        self._mempool = mempool
        self._chain_id = chain_id
        self._verified: OrderedDict[Digest, None] = OrderedDict()

    def decode(self, raw: bytes) -> SignedTransaction:
        """Return the transaction; raises TooLarge, MalformedEncoding, NonCanonicalEncoding."""
        return self._mempool.find(raw) or decode_transaction(raw)

    def verify(self, raw: bytes, signed: SignedTransaction) -> None:
        """Raise WrongChain or InvalidSignature unless the bytes carry their author's signature."""
        if self._mempool.find(raw) is not None:
            return
        key = sha256(raw)
        if key in self._verified:
            self._verified.move_to_end(key)
            return
        signed.verify(chain_id=self._chain_id)
        self._verified[key] = None
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
