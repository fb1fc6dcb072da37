"""Answers: nouns as JSON, each with the height of the chain that it reflects."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TypeVar

import msgspec
from starlette.responses import Response

from ledger.encoding import encode
from ledger.quantities import Height
from ledger.rendering import Plain, plain
from node.rest.media import JSON, MSGPACK
from node.runtime.api import NodeApi

HEIGHT_HEADER = "Quorate-Height"
STRIDE = 64
"""Nouns decoded and rendered before the event loop gets its turn: a few milliseconds."""

T = TypeVar("T")


def json_answer(
    height: Height, content: Mapping[str, Plain], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON answer that reflects the chain at `height`."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type=JSON,
        headers={HEIGHT_HEADER: str(height), **(headers or {})},
    )


def canonical_answer(height: Height, noun: msgspec.Struct) -> Response:
    """Return a noun's canonical bytes."""
    return Response(encode(noun), media_type=MSGPACK, headers={HEIGHT_HEADER: str(height), "Vary": "Accept"})


def plain_noun(noun: msgspec.Struct) -> dict[str, Plain]:
    """Return a noun as a JSON object."""
    found = plain(noun)
    assert isinstance(found, dict)
    return found


def plain_record(value: object) -> Plain:
    """Return what the node says of itself, a dataclass, as JSON can hold it."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain_record(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain_record(item) for item in value]
    return plain(value)


def state_proof(api: NodeApi, key: bytes, *, wanted: bool) -> dict[str, Plain]:
    """Return the field that proves a key's value in the state after the head; raises NotAppended at genesis."""
    return {"proof": encode(api.state_proof(key)).hex()} if wanted else {}


async def gently(items: Iterable[T], *, stride: int = STRIDE) -> AsyncIterator[T]:
    """Yield items and let the event loop turn in between: a vote never waits for a long list."""
    for place, item in enumerate(items, start=1):
        yield item
        if place % stride == 0:
            await asyncio.sleep(0)
