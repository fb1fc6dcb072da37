"""A running node as a source of evidence: its blocks and, with a key that may read them, its blobs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import httpx

from ledger.certificates import CertifiedBlock
from ledger.encoding import decode
from ledger.genesis import GENESIS_BYTES_MAX, Genesis
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height
from participant.blob_request import blob_request
from participant.errors import NodeForbids, NodeHasNone
from participant.node import MSGPACK, Node, Request
from quorate.chain_folder import BLOCK_BYTES_MAX, map_file
from quorate.errors import EvidenceMissing
from quorate.sources import Buffer


class NodeSource:
    """Blocks and blobs of one node, up to the head that it had when first asked; close it after use."""

    def __init__(self, url: str, *, key: SigningKey | None) -> None:
        """Raise ConfigurationError for a bad address; without `key` there are no blobs."""
        self._http = httpx.Client(follow_redirects=False)
        self.node = Node(url, self._http)
        self._key = key
        self._cache = TemporaryDirectory(prefix="quorate-")
        self._genesis: Genesis | None = None
        self._head: Height | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        self._cache.cleanup()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"node {self.node.url}"

    def genesis(self) -> Genesis:
        """Return the genesis that the node claims; raises InputError, NodeFault."""
        if self._genesis is None:
            request = Request(method="GET", path="/v1/genesis", answer_bytes_max=GENESIS_BYTES_MAX)
            self._genesis = Genesis(self.node.ask(request))
        return self._genesis

    def head(self) -> Height:
        """Return the height of the node's last block; raises NodeFault."""
        if self._head is None:
            self._head = Height(self._block("latest").block.header.height)
        return self._head

    def block(self, height: Height) -> CertifiedBlock:
        """Return a block; raises InputError, EvidenceMissing, NodeFault."""
        try:
            return self._block(str(height))
        except NodeHasNone as refusal:
            expected = "the node to have it"
            if refusal.problem == "below-snapshot":
                expected = "a node with all blocks since genesis, one whose status has base 0"
            raise EvidenceMissing(f"block {height}", expected=expected, got=str(refusal)) from refusal

    def blob(self, digest: Digest) -> Buffer:
        """Return what the node keeps under a digest; raises EvidenceMissing, NodeFault."""
        file = Path(self._cache.name) / digest.hex()
        if not file.exists():
            file.write_bytes(self._evidence(digest))
        return map_file(file)

    def fetch(self, digest: Digest, key: SigningKey) -> bytes:
        """Return what the node gives to a member for a digest, unchecked; raises NodeFault, also NodeForbids."""
        genesis = self.genesis()
        request = blob_request(
            digest,
            chain_id=genesis.chain_id,
            key=key,
            expires=Height(self.head() + max(1, genesis.parameters.upload_heights_max // 2)),
            bytes_max=genesis.parameters.blob_bytes_max,
        )
        return self.node.ask(request)

    def _block(self, place: str) -> CertifiedBlock:
        request = Request(
            method="GET",
            path=f"/v1/blocks/{place}",
            headers={"Accept": MSGPACK},
            answer_bytes_max=BLOCK_BYTES_MAX,
        )
        return decode(self.node.ask(request), CertifiedBlock)

    def _evidence(self, digest: Digest) -> bytes:
        what = f"blob {digest.hex()}"
        if self._key is None:
            raise EvidenceMissing(
                what, expected="a key that may read it (--key)", got="no --key: blobs are for members"
            )
        try:
            return self.fetch(digest, self._key)
        except (NodeHasNone, NodeForbids) as refusal:
            raise EvidenceMissing(what, expected="the node to serve it", got=str(refusal)) from refusal
