"""A blob, a blob without end, and how tests fetch one."""

import hashlib
import io

from ledger.hashing import sha256
from node.transport.stream_server import CHUNK_BYTES
from tests.node.transport.network import Node

BLOB = hashlib.shake_256(b"a blob").digest(5 * 2**20 + 17)
DIGEST = sha256(BLOB)


async def fetch(asker: Node, server: Node, blob: bytes, *, size: int | None = None, seconds: float = 60) -> bytes:
    """Fetch what the digest of `blob` names."""
    parts: list[bytes] = []
    size = len(blob) if size is None else size
    await asker.links.fetch(server.identity, sha256(blob), parts.append, size=size, seconds=seconds)
    assert max(map(len, parts), default=0) <= CHUNK_BYTES
    return b"".join(parts)


class Endless(io.BytesIO):
    """A blob of zeros that counts how much of it was read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.given = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self.size if whence == io.SEEK_END else offset

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        self.given += size
        return bytes(size)
