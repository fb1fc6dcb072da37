"""One authenticated connection: asyncio's streams, with the network's failures turned into errors of ours."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from ledger.quantities import ValidatorId
from node.transport.errors import LinkFailed, LinkRefused
from node.transport.frames import join_frames, read_frame

PIECE_BYTES = 2**20
"""Most that is encrypted in one go: a frame of 16 MiB would hold up the loop for more than a tenth of a second."""


@contextmanager
def network(what: str) -> Iterator[None]:
    """Turn what sockets and TLS raise into LinkFailed or LinkRefused."""
    try:
        yield
    except ssl.SSLError as error:
        raise LinkRefused(what, expected="TLS 1.3 between recorded certificates", got=error) from error
    except OSError as error:
        raise LinkFailed(what, expected="an open connection", got=str(error) or type(error).__name__) from error


@asynccontextmanager
async def time_limit(what: str, seconds: float) -> AsyncIterator[None]:
    """Raise LinkFailed where the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise LinkFailed(what, expected=f"an end within {seconds} s", got="none") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection whose other end is known to be `peer`."""

    peer: ValidatorId
    address: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __str__(self) -> str:
        return f"connection with validator {self.peer}"

    async def read_frame(self, *, bytes_max: int) -> bytes | None:
        """Return the next frame, or None at the end; raises FrameTooLarge, TruncatedFrame, LinkFailed, LinkRefused."""
        with network(str(self)):
            return await read_frame(self.reader, bytes_max=bytes_max)

    async def read(self, bytes_max: int) -> bytes:
        """Return some bytes as soon as there are any, none at the end; raises LinkFailed or LinkRefused."""
        with network(str(self)):
            return await self.reader.read(bytes_max)

    async def write(self, data: bytes) -> None:
        """Write, and wait while too much is buffered; raises LinkFailed or LinkRefused."""
        view = memoryview(data)
        with network(str(self)):
            for begin in range(0, len(data), PIECE_BYTES):
                self.writer.write(view[begin : begin + PIECE_BYTES])
                await self.writer.drain()

    async def write_frame(self, payload: bytes) -> None:
        """Write one frame; raises LinkFailed or LinkRefused."""
        await self.write(join_frames([payload]))

    def abort(self) -> None:
        """Close without waiting for anybody; what is still buffered here is lost."""
        self.writer.transport.abort()
