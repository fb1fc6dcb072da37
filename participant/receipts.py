"""Receipts: what became of a transaction, proven by the log that a quorum of validators signed.

The proof is kept with the receipt, so that it can be shown to anybody who has the genesis file.
"""

from dataclasses import dataclass, replace

from ledger.encoding import decode
from ledger.entries import Rejected, TransactionEntry
from ledger.errors import InvalidProof
from ledger.hashing import Digest
from ledger.light_client import EntryProof, LightClient
from ledger.quantities import Height
from participant.short_repr import short_repr
from participant.words import explain

PROOF_BYTES_MAX = 2**18
"""An entry of 65,535 bytes, a header, a certificate of 25 validators and a path of 63 digests take less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A verified verdict."""

    transaction: Digest
    """Id of the transaction."""
    height: Height
    """Block that holds it."""
    position: int
    """Place among the block's entries, from 0."""
    log_index: int
    """Place in the log of the whole chain, from 0."""
    rule: str | None
    """Number of the rule that refused it, such as U12; None if it was accepted."""
    values: tuple[int, ...]
    """Integers that the rule compared, or that the contract returned."""
    proof: bytes
    """Canonical EntryProof."""
    is_remembered: bool = False
    """Whether this answers an earlier submission, made in the same round before this one."""

    __repr__ = short_repr

    @property
    def accepted(self) -> bool:
        """Whether the transaction took effect."""
        return self.rule is None

    def why(self) -> str:
        """Return the verdict in words."""
        if self.rule is None:
            return f"Accepted in block {self.height}."
        return f"Refused by rule {self.rule} in block {self.height}: {explain(self.rule, self.values)}"

    def as_remembered(self) -> "Receipt":
        """Return this receipt as the answer to an earlier submission."""
        return replace(self, is_remembered=True)


def verify_receipt(light: LightClient, data: bytes, transaction: Digest) -> Receipt:
    """Return the receipt of a transaction from an EntryProof.

    Raises MalformedEncoding, NonCanonicalEncoding or TooLarge for bytes that are no proof; InvalidProof,
    InvalidCertificate, InvalidBlock or Undecidable unless it shows this transaction's entry.
    """
    proof = decode(data, EntryProof, bytes_max=PROOF_BYTES_MAX)
    entry = light.verify_entry(proof)
    if not isinstance(entry, TransactionEntry):
        raise InvalidProof("entry", expected=f"transaction {transaction.hex()}", got="an action of the chain")
    found = entry.signed.transaction.id
    if found != transaction:
        raise InvalidProof("entry", expected=f"transaction {transaction.hex()}", got=found.hex())
    verdict = entry.receipt.verdict
    return Receipt(
        transaction=transaction,
        height=Height(entry.receipt.height),
        position=entry.receipt.position,
        log_index=proof.index,
        rule=verdict.rule if isinstance(verdict, Rejected) else None,
        values=verdict.values,
        proof=data,
    )
