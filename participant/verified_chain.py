"""What is known of the chain from proofs alone: the genesis file is trusted, and what follows from it.

A proof of an era that is not known yet makes this ask the node that showed it for the ends of the eras before, one by
one, each certified by the set of its own era: so the validators may change as often as they like.

State never goes backwards: a node that shows an older one than was seen before counts as behind.
"""

from typing import TypeVar

from ledger.blocks import BlockHeader
from ledger.certificates import CertifiedBlock
from ledger.encoding import decode
from ledger.errors import InvalidBlock, InvalidProof
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.light_client import EntryProof, LightClient, StateEntryProof
from ledger.quantities import Height
from ledger.snapshots import EraBoundary
from participant.errors import NodeBehind
from participant.http_types import EraProof
from participant.node import Node, Request
from participant.receipts import Receipt, verify_receipt

T = TypeVar("T")


class VerifiedChain:
    """A light client that remembers the newest block it has verified."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.height = Height(0)
        """Of the newest verified block."""
        self.light = LightClient(genesis)
        """What checks headers and proofs."""

    @property
    def chain_id(self) -> Digest:
        """Digest of the genesis file."""
        return self.light.chain_id

    def record(self, node: Node, proof: bytes, key: bytes, kind: type[T]) -> T:
        """Return the record under a key, from a node's StateEntryProof; raises NodeLied, NodeBehind, NodeFault."""
        with node.blamed(f"proof of {kind.__name__}"):
            evidence = decode(proof, StateEntryProof)
            self.follow(node, evidence.header)
            if evidence.key != key:
                raise InvalidProof("key", expected=key.hex(), got=evidence.key.hex())
            value = self.light.verify_state(evidence)
            if value is None:
                raise InvalidProof("value", expected="the record", got="proof that there is none")
            record = decode(value, kind)
        self._advance(node, evidence.header.height)
        return record

    def receipt(self, node: Node, proof: bytes, transaction: Digest) -> Receipt:
        """Return a transaction's receipt from a node's EntryProof; raises NodeLied, NodeFault."""
        with node.blamed("receipt"):
            self.follow(node, decode(proof, EntryProof).header)
            return self.kept_receipt(proof, transaction)

    def kept_receipt(self, proof: bytes, transaction: Digest) -> Receipt:
        """Return a transaction's receipt from an EntryProof kept here; raises as `verify_receipt`."""
        return verify_receipt(self.light, proof, transaction)

    def latest(self, node: Node, data: bytes) -> Height:
        """Return the height of a node's latest block; raises NodeLied, NodeBehind, NodeFault."""
        with node.blamed("latest block"):
            latest = decode(data, CertifiedBlock)
            self.follow(node, latest.block.header)
            header = self.light.verify_header(latest.block.header, latest.certificate)
        self._advance(node, header.height)
        return self.height

    def follow(self, node: Node, header: BlockHeader) -> None:
        """Learn the validators of the eras up to a header's from the node that showed it.

        Raises InvalidBlock, InvalidCertificate for what does not follow from what is known, and NodeFault.
        """
        while header.era > self.light.newest_era:
            following = self.light.newest_era + 1
            answer = node.json(Request(method="GET", path=f"/v1/eras/{following}"), EraProof)
            end = decode(bytes.fromhex(answer.boundary), EraBoundary)
            self.light.learn(end.header, end.certificate, end.members)
            if self.light.newest_era != following:
                raise InvalidBlock("era of a boundary block", expected=following - 1, got=end.header.era)

    def ahead(self, heights_max: int) -> Height:
        """Return the last height of a signed statement: half as far ahead as validators admit, since some may lag."""
        return Height(self.height + max(1, heights_max // 2))

    def _advance(self, node: Node, height: int) -> None:
        if height < self.height:
            raise NodeBehind(node.url, "height", expected=f"at least {self.height}", got=height)
        self.height = Height(height)
