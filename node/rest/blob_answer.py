"""A blob as an answer: streamed in pieces, read without holding up votes, its file closed however the call ends."""

import asyncio
from collections.abc import Mapping
from typing import BinaryIO

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from node.rest.envelope import IS_HEAD
from node.rest.media import OCTETS, Span

CHUNK_BYTES = 256 * 2**10
"""Held in memory for one caller."""


class BlobAnswer(Response):
    """Bytes of an open file; it is this answer's to close."""

    media_type = OCTETS

    def __init__(self, file: BinaryIO, span: Span, *, status: int, headers: Mapping[str, str]) -> None:
        length = {"Content-Length": str(span.end - span.start)}
        super().__init__(status_code=status, headers={**headers, **length})
        self._file = file
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then piece by piece, until the caller goes away; the server gives up on one that stalls."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            missing = 0 if IS_HEAD in scope else self._span.end - self._span.start
            self._file.seek(self._span.start)
            while missing:
                if gone.done():
                    raise ClientDisconnect
                chunk = await _read(self._file, min(CHUNK_BYTES, missing))
                missing -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": missing > 0})
            if IS_HEAD in scope:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            self._file.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(file: BinaryIO, count: int) -> bytes:
    """Read in a thread; when cancelled, let the thread finish before the file is closed under it."""
    reading = asyncio.ensure_future(asyncio.to_thread(file.read, count))
    try:
        chunk = await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.gather(reading, return_exceptions=True)
        raise
    assert chunk, "the blob store keeps whole files"
    return chunk
