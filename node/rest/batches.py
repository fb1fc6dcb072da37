"""Several transactions in one request: each is judged by itself, and HTTP's cost is paid once for all of them."""

import asyncio
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from ledger.encoding import Noun, decode, encode
from ledger.errors import InputError, InvalidTransaction, QuorateError
from ledger.hashing import Digest
from ledger.rendering import Plain
from node.errors import MempoolFull, TransactionUnknown
from node.rest import examples, record_schemas
from node.rest.answers import gently, json_answer
from node.rest.bodies import check_form, read_body
from node.rest.context import Context
from node.rest.media import MSGPACK
from node.rest.parameters import WaitQuery
from node.rest.problems import problem_document
from node.rest.request_examples import body_content
from node.rest.transactions import outcome, standing
from node.runtime.api import NodeApi

router = APIRouter(prefix="/v1/batches", tags=["transactions"])

BATCH_TRANSACTIONS_MAX = 128
BATCH_BYTES_MAX = 2**20
"""Of the whole body."""
STRIDE = 16
"""Transactions admitted before the event loop gets its turn: some milliseconds, most of them for signatures."""


class Batch(Noun, frozen=True, kw_only=True):
    """Body of the request; not signed itself."""

    transactions: Annotated[tuple[bytes, ...], Meta(min_length=1, max_length=BATCH_TRANSACTIONS_MAX)]
    """Canonical SignedTransactions."""


BODY = {
    "requestBody": {
        "required": True,
        "description": (
            f"A canonical Batch: an array that holds an array of 1 to {BATCH_TRANSACTIONS_MAX} byte strings, each a "
            f"canonical SignedTransaction; at most {BATCH_BYTES_MAX} bytes."
        ),
        "content": body_content(
            MSGPACK,
            encode(Batch(transactions=(encode(examples.SIGNED_TRANSACTION),))),
            "A site submits an update of round 1.",
            maxLength=BATCH_BYTES_MAX,
        ),
    }
}


@router.post(
    "",
    response_model=record_schemas.BatchOutcome,
    openapi_extra=BODY,
    responses={202: {"model": record_schemas.BatchOutcome, "description": "Some of it waits to be ordered."}},
)
async def batch(request: Request, context: Context, wait: WaitQuery = None) -> Response:
    """Submit signed transactions; each is taken in or refused by itself, and none waits for another to be final."""
    check_form(request, MSGPACK)
    body = await read_body(request, "batch", bytes_max=BATCH_BYTES_MAX)
    api = context.api
    raws = decode(body, Batch).transactions
    taken = [_submit(api, raw) async for raw in gently(raws, stride=STRIDE)]
    if wait:
        identities = [each for each in taken if isinstance(each, bytes)]
        await context.held.hold(request, _wait(api, identities, context.seconds(wait)))
    results = [_result(api, each) for each in taken]
    status = 202 if any(result["status"] == "pending" for result in results) else 200
    return json_answer(api.height, {"results": [*results]}, status=status)


def _submit(api: NodeApi, raw: bytes) -> Digest | QuorateError:
    """Return the transaction's id, or why it is refused; whatever else goes wrong is no fault of its own."""
    try:
        return api.submit(raw)
    except (InputError, InvalidTransaction, MempoolFull) as error:
        return error


async def _wait(api: NodeApi, identities: Iterable[Digest], seconds: float) -> None:
    """Return once all are final, or have ended otherwise, or the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    for identity in identities:
        try:
            await api.wait_final(identity, max(0.0, end - loop.time()))
        except TransactionUnknown:
            continue  # it has ended while others were waited for; its result says so


def _result(api: NodeApi, taken: Digest | QuorateError) -> dict[str, Plain]:
    if isinstance(taken, QuorateError):
        return {"status": "refused", "problem": problem_document(taken)}
    try:
        return standing(taken, outcome(api, taken))
    except TransactionUnknown as error:
        return {"id": taken.hex(), "status": "refused", "problem": problem_document(error)}
