"""Verifying without a node: with the genesis file alone, follow certificates and check proofs against headers.

Nothing here opens a socket. Every function returns what it verified or raises; "could not check" is `Undecidable`,
never fine and never tampered.
"""

from typing import Annotated

from msgspec import Meta

from ledger import merkle, state_tree
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import Noun, encode
from ledger.entries import ActionEntry, Entry, TransactionEntry
from ledger.errors import InvalidBlock, InvalidCertificate, InvalidProof, Undecidable
from ledger.genesis import FIRST_HEIGHT, Genesis
from ledger.hashing import DigestField, sha256
from ledger.quantities import U63, U63_MAX, Era
from ledger.validators import Validator, ValidatorSet


class EntryProof(Noun, frozen=True, kw_only=True):
    """Evidence that an entry stands in the log that a final block commits to."""

    header: BlockHeader
    certificate: CommitCertificate
    entry: Entry
    index: U63
    """Place in the log, from 0."""
    path: Annotated[tuple[DigestField, ...], Meta(max_length=U63_MAX.bit_length())]


class StateEntryProof(Noun, frozen=True, kw_only=True):
    """Evidence that the state after a final block maps a key to a value, or to none."""

    header: BlockHeader
    certificate: CommitCertificate
    key: bytes
    value: bytes | None
    proof: state_tree.StateProof


class LightClient:
    """Checks headers under the validator set of their era; starts from genesis and follows the eras' boundaries."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.chain_id = genesis.chain_id
        self._sets: dict[Era, ValidatorSet] = {Era(0): genesis.validators}
        self._boundaries: dict[Era, BlockHeader] = {}

    def verify_header(self, header: BlockHeader, certificate: CommitCertificate | None) -> BlockHeader:
        """Return the header once its certificate is shown to be valid.

        Raises InvalidBlock for another chain or set, InvalidCertificate for a bad certificate, Undecidable when the
        era's validator set is not known yet (see `learn`).
        """
        # (1) the header names this chain and the set of its era
        if header.chain_id != self.chain_id:
            raise InvalidBlock(
                f"chain id in header {header.height}", expected=self.chain_id.hex(), got=header.chain_id.hex()
            )
        if header.height == 0:
            return self._verify_genesis(header)
        validators = self._sets.get(header.era)
        if validators is None:
            raise Undecidable(
                "validator set", expected=f"that of era {header.era}", got=f"those of {sorted(self._sets)}"
            )
        if header.validators != validators.digest:
            raise InvalidBlock(
                f"validator set in header {header.height}",
                expected=validators.digest.hex(),
                got=header.validators.hex(),
            )
        # (2) the height lies in that era: a retired key counts for the heights at which it was in force, and no others
        before, end = self._boundaries.get(Era(header.era - 1)), self._boundaries.get(header.era)
        first, last = before.height + 1 if before else FIRST_HEIGHT, end.height if end else U63_MAX
        if not first <= header.height <= last:
            raise InvalidBlock(
                f"height of a block of era {header.era}", expected=f"{first} to {last}", got=header.height
            )
        # (3) a quorum of that set committed to exactly this header
        if certificate is None:
            raise Undecidable(f"certificate of block {header.height}", expected="a commit certificate", got="none")
        certificate.verify_for(header, validators, chain_id=self.chain_id)
        return header

    @property
    def newest_era(self) -> Era:
        """Latest era whose set is known."""
        return max(self._sets)

    def learn(self, boundary: BlockHeader, certificate: CommitCertificate, members: tuple[Validator, ...]) -> None:
        """Follow an era's last block to the set of the next era.

        Raises as `verify_header`; InvalidCertificate when `members` are not the next set that the block names, or the
        block ends no era; InvalidBlock when another block is known to have ended this one.
        """
        self.verify_header(boundary, certificate)
        following = sha256(encode(members))
        if boundary.next_validators == boundary.validators or following != boundary.next_validators:
            raise InvalidCertificate(
                f"validator set after block {boundary.height}",
                expected=boundary.next_validators.hex(),
                got=following.hex(),
            )
        known = self._boundaries.setdefault(boundary.era, boundary)
        if known != boundary:
            raise InvalidBlock(
                f"last block of era {boundary.era}", expected=known.digest.hex(), got=boundary.digest.hex()
            )
        self._sets[Era(boundary.era + 1)] = ValidatorSet(members)

    def verify_entry(self, proof: EntryProof) -> TransactionEntry | ActionEntry:
        """Return the entry once it is shown to stand in the log of a final block."""
        header = self.verify_header(proof.header, proof.certificate)
        # (4) the entry is the leaf at `index` of the log that the header commits to
        merkle.verify_inclusion(
            proof.entry.leaf, index=proof.index, size=header.log_size, path=proof.path, root=header.log_root
        )
        # (5) the receipt speaks of a block that this log covers
        if proof.entry.receipt.height > header.height:
            raise InvalidProof(
                "height of the receipt", expected=f"at most {header.height}", got=proof.entry.receipt.height
            )
        return proof.entry

    def verify_state(self, evidence: StateEntryProof) -> bytes | None:
        """Return the value of a key after a final block (None: it has none) once that is shown."""
        header = self.verify_header(evidence.header, evidence.certificate)
        if evidence.value is None:
            state_tree.verify_absence(header.state_root, evidence.key, evidence.proof)
        else:
            state_tree.verify_presence(header.state_root, evidence.key, evidence.value, evidence.proof)
        return evidence.value

    def _verify_genesis(self, header: BlockHeader) -> BlockHeader:
        expected = self.genesis.block.header
        if encode(header) != encode(expected):
            raise InvalidBlock("genesis header", expected=expected.digest.hex(), got=header.digest.hex())
        return header
