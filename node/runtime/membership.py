"""Who this node is, and what it signs beside votes."""

import secrets
from dataclasses import dataclass

from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height, ValidatorId
from ledger.transactions import NONCE_BYTES, Body, SignedTransaction, Transaction

OWN_VALIDITY_HEIGHTS = 1_000
"""How long a transaction of this validator may wait for its block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A node's place in its chain."""

    genesis: Genesis
    validator: ValidatorId | None
    """Its number; None as long as the chain, as far as it is here, has none for it: a learner before its registration.
    Whether the number is in the current validator set is for the state to say."""
    organisation: str | None
    service_key: SigningKey

    @property
    def chain_id(self) -> Digest:
        """Digest of the genesis file."""
        return self.genesis.chain_id

    def transaction(self, body: Body, *, head: Height) -> SignedTransaction:
        """Return a new transaction of this validator."""
        transaction = Transaction(
            chain_id=self.chain_id,
            author=self.service_key.public,
            nonce=secrets.token_bytes(NONCE_BYTES),
            valid_until=Height(head + OWN_VALIDITY_HEIGHTS),
            body=body,
        )
        return SignedTransaction.sign(transaction, self.service_key)
