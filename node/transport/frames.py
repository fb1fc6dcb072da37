"""Frames: four bytes of big-endian length, then so many bytes.

The length is checked before anything of the frame is read, and bytes are kept only as they arrive, so a peer costs at
most one frame of the limit, whatever it announces.
"""

import asyncio
from collections.abc import Iterable

from node.transport.errors import FrameTooLarge, TruncatedFrame

LENGTH_BYTES = 4


def join_frames(payloads: Iterable[bytes]) -> bytes:
    """Return several payloads as the bytes of one write."""
    parts: list[bytes] = []
    for payload in payloads:
        parts += (len(payload).to_bytes(LENGTH_BYTES, "big"), payload)
    return b"".join(parts)


async def read_frame(reader: asyncio.StreamReader, *, bytes_max: int) -> bytes | None:
    """Return the next payload, or None where the stream ends between two frames.

    Raises FrameTooLarge, TruncatedFrame, and what the stream raises (OSError).
    """
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise _truncated(error) from None
    if length > bytes_max:
        raise FrameTooLarge("frame", expected=f"at most {bytes_max} bytes", got=f"{length} bytes")
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise _truncated(error) from None


def _truncated(error: asyncio.IncompleteReadError) -> TruncatedFrame:
    return TruncatedFrame("frame", expected=f"{error.expected} bytes", got=f"the end after {len(error.partial)}")
