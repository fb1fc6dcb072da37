"""Bodies of requests: their form and length are checked before a byte is read, and they must keep arriving."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from ledger.errors import TooLarge
from node.rest.errors import BadRequest, RequestTimeout, UnsupportedMediaType

STALL_SECONDS = 30.0
"""Longest that a request may stand still while its body arrives."""


def check_form(request: Request, media_type: str) -> None:
    """Raise UnsupportedMediaType unless the body is of this type, and sent as it is."""
    found = request.headers.get("content-type", "none")
    if found.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaType("Content-Type", expected=media_type, got=found)
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedMediaType("Content-Encoding", expected="none", got=coding)


def declared_length(request: Request) -> int | None:
    """Return Content-Length, if there is one; raises BadRequest."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadRequest("Content-Length", expected="a decimal number", got=text)
    return int(text)


async def read_chunk(request: Request) -> tuple[bytes, bool]:
    """Return the next bytes of the body, and whether more follow; raises RequestTimeout, ClientDisconnect."""
    try:
        async with asyncio.timeout(STALL_SECONDS):
            message = await request.receive()
    except TimeoutError as error:
        raise RequestTimeout("body", expected=f"more within {STALL_SECONDS:.0f} s", got="nothing") from error
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


async def read_body(request: Request, what: str, *, bytes_max: int) -> bytes:
    """Return the whole body; raises TooLarge as soon as it is, RequestTimeout, ClientDisconnect."""
    declared = declared_length(request) or 0
    body = bytearray()
    more = True
    while more and max(declared, len(body)) <= bytes_max:
        chunk, more = await read_chunk(request)
        body += chunk
    if max(declared, len(body)) > bytes_max:
        raise TooLarge(what, expected=f"at most {bytes_max} bytes", got=f"{max(declared, len(body))} or more")
    return bytes(body)
