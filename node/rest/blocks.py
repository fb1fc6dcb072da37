"""Routes of blocks: pages of summaries, and whole blocks as JSON or canonical bytes."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ledger.certificates import CertifiedBlock
from ledger.entries import Entry, TransactionEntry
from ledger.quantities import U63_MAX, Height
from ledger.rendering import Plain, plain
from node.rest import record_schemas, schemas
from node.rest.answers import canonical_answer, gently, json_answer, plain_noun
from node.rest.context import Context
from node.rest.media import JSON, MSGPACK, accepted_form
from node.rest.parameters import HeightPath
from node.runtime.api import NodeApi
from node.storage.errors import NotAppended

router = APIRouter(prefix="/v1/blocks", tags=["blocks"])

PAGE_DEFAULT = 20
PAGE_MAX = 100
CANONICAL: dict[int | str, dict[str, Any]] = {
    200: {"content": {MSGPACK: {"schema": {"type": "string", "contentEncoding": "binary"}}}}
}
"""The answer's second form, for the OpenAPI document."""


@router.get("", response_model=schemas.BlockPage)
async def blocks(
    context: Context,
    before: Annotated[
        int | None, Query(ge=0, le=U63_MAX, description="Blocks below this height.", examples=[9])
    ] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="Blocks in the answer.", examples=[10])] = PAGE_DEFAULT,
) -> Response:
    """Summaries of blocks, newest first; `next` is the `before` of the next page."""
    height = context.api.height
    end = height + 1 if before is None else min(before, height + 1)
    base = context.api.chain.base
    lowest = base + 1 if base else 0
    first = min(end, max(lowest, end - limit))
    page: list[Plain] = [
        _summary(context.api, Height(place)) async for place in gently(range(end - 1, first - 1, -1), stride=1)
    ]
    return json_answer(height, {"blocks": page, "next": first if first > lowest else None})


@router.get("/{height}", response_model=record_schemas.BlockDetail, responses=CANONICAL)
async def block(request: Request, context: Context, height: HeightPath) -> Response:
    """Read a block with its entries, or its canonical CertifiedBlock."""
    api = context.api
    head = api.height
    form = accepted_form(request.headers.get("accept"), (JSON, MSGPACK))
    found = _block(api, head if height == "latest" else Height(int(height)))
    if form == MSGPACK:
        return canonical_answer(head, found)
    entries = api.chain.entries(Height(found.block.header.height))
    content: dict[str, Plain] = {
        "digest": found.block.digest.hex(),
        "header": plain(found.block.header),
        "certificate": plain(found.certificate),
        "entries": [_entry(entry) async for entry in gently(entries)],
    }
    return json_answer(head, content, headers={"Vary": "Accept"})


def _block(api: NodeApi, height: Height) -> CertifiedBlock:
    found = api.block(height)
    if found is None:
        api.chain.check_above_base(height)
        raise NotAppended("block", expected=f"a height from 0 to {api.height}", got=height)
    return found


def _summary(api: NodeApi, height: Height) -> dict[str, Plain]:
    found = _block(api, height)
    header, certificate = found.block.header, found.certificate
    before = api.chain.header(Height(height - 1)) if height else None
    return {
        "height": header.height,
        "digest": header.digest.hex(),
        "time": header.time,
        "proposer": header.proposer,
        "transactions": len(found.block.transactions),
        "entries": header.log_size - (before.log_size if before else 0),
        "view": None if certificate is None else certificate.view,
        "signers": [] if certificate is None else [proof.validator for proof in certificate.commits],
    }


def _entry(entry: Entry) -> dict[str, Plain]:
    identity: dict[str, Plain] = (
        {"id": entry.signed.transaction.id.hex()} if isinstance(entry, TransactionEntry) else {}
    )
    return {**plain_noun(entry), **identity}
