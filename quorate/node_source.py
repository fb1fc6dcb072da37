"""A running node as a source of evidence: its blocks and, with a key that may read them, its blobs."""

import base64
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import httpx

from consensus.messages import CertifiedBlock
from ledger.blobs import ReadRequest, SignedReadRequest
from ledger.encoding import decode, encode
from ledger.genesis import GENESIS_BYTES_MAX, Genesis
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height
from participant.errors import NodeForbids, NodeHasNone
from participant.node import MSGPACK, OCTETS, Node, Request
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
            raise EvidenceMissing(f"block {height}", expected="the node to have it", got=str(refusal)) from refusal

    def blob(self, digest: Digest) -> Buffer:
        """Return what the node keeps under a digest; raises EvidenceMissing, NodeFault."""
        file = Path(self._cache.name) / digest.hex()
        if not file.exists():
            file.write_bytes(self._fetch(digest))
        return map_file(file)

    def _block(self, place: str) -> CertifiedBlock:
        request = Request(
            method="GET",
            path=f"/v1/blocks/{place}",
            headers={"Accept": MSGPACK},
            answer_bytes_max=BLOCK_BYTES_MAX,
        )
        return decode(self.node.ask(request), CertifiedBlock)

    def _fetch(self, digest: Digest) -> bytes:
        if self._key is None:
            raise EvidenceMissing(
                f"blob {digest.hex()}",
                expected="a key that may read it (--key)",
                got="no key: nodes serve blobs to members",
            )
        genesis = self.genesis()
        unsigned = ReadRequest(
            chain_id=genesis.chain_id,
            author=self._key.public,
            blob=digest,
            expires=Height(self.head() + max(1, genesis.parameters.upload_heights_max // 2)),
        )
        signed = encode(SignedReadRequest.sign(unsigned, self._key))
        request = Request(
            method="GET",
            path=f"/v1/blobs/{digest.hex()}",
            headers={
                "Accept": OCTETS,
                "Authorization": "Quorate " + base64.urlsafe_b64encode(signed).decode().rstrip("="),
            },
            answer_bytes_max=genesis.parameters.blob_bytes_max,
        )
        try:
            return self.node.ask(request)
        except (NodeHasNone, NodeForbids) as refusal:
            raise EvidenceMissing(
                f"blob {digest.hex()}", expected="the node to serve it", got=str(refusal)
            ) from refusal
