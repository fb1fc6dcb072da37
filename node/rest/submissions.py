"""Several transactions in one request: each is judged by itself, and HTTP's cost is paid once for all of them."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from ledger.encoding import Noun, decode, encode
from ledger.errors import InputError, InvalidTransaction
from ledger.hashing import Digest
from ledger.rendering import Plain
from node.errors import MempoolFull, TransactionUnknown
from node.rest import examples, record_schemas
from node.rest.answers import gently, json_answer
from node.rest.bodies import check_form, read_body
from node.rest.context import Context, RestContext
from node.rest.media import MSGPACK
from node.rest.parameters import WaitQuery
from node.rest.problems import problem_document
from node.rest.request_examples import body_content
from node.rest.transactions import outcome, standing
from node.runtime.api import NodeApi

router = APIRouter(prefix="/v1/submissions", tags=["transactions"])

SUBMISSIONS_MAX = 128
SUBMISSIONS_BYTES_MAX = 2**20
"""Of the whole body."""
STRIDE = 16
"""Transactions admitted, of all requests together, before the event loop gets its turn: one or two milliseconds, most
of them for signatures."""

Problem: TypeAlias = dict[str, Plain]
"""A problem document."""


class Submissions(Noun, frozen=True, kw_only=True):
    """Body of the request; not signed itself."""

    transactions: Annotated[tuple[bytes, ...], Meta(min_length=1, max_length=SUBMISSIONS_MAX)]
    """Canonical SignedTransactions."""


BODY = {
    "requestBody": {
        "required": True,
        "description": (
            f"A canonical Submissions: an array that holds an array of 1 to {SUBMISSIONS_MAX} byte strings, each a "
            f"canonical SignedTransaction; at most {SUBMISSIONS_BYTES_MAX} bytes."
        ),
        "content": body_content(
            MSGPACK,
            encode(Submissions(transactions=(encode(examples.SIGNED_TRANSACTION),))),
            "A site submits an update of round 1.",
            maxLength=SUBMISSIONS_BYTES_MAX,
        ),
    }
}


@router.post(
    "",
    response_model=record_schemas.SubmissionResults,
    openapi_extra=BODY,
    responses={202: {"model": record_schemas.SubmissionResults, "description": "Some of it waits to be ordered."}},
)
async def submissions(request: Request, context: Context, wait: WaitQuery = None) -> Response:
    """Submit signed transactions; each is taken in or refused by itself, and none waits for another to be final."""
    check_form(request, MSGPACK)
    api = context.api
    taken = await _take_in(request, context)
    if wait:
        identities = [each for each in taken if isinstance(each, bytes)]
        await context.held.hold(request, _wait(api, identities, context.seconds(wait)))
    results: list[Plain] = []
    status = 200
    async for each in gently(taken):
        result = _result(api, each)
        if result["status"] == "pending":
            status = 202
        results.append(result)
    return json_answer(api.height, {"results": results}, status=status)


async def _take_in(request: Request, context: RestContext) -> list[Digest | Problem]:
    """Return each transaction's id, or why it is refused; of the request itself nothing is kept for the wait."""
    body = await read_body(request, "submissions", bytes_max=SUBMISSIONS_BYTES_MAX)
    async with context.admitting:
        await asyncio.sleep(0)  # whoever was before may have used up the turn
        raws = decode(body, Submissions).transactions
        return [_submit(context.api, raw) async for raw in gently(raws, stride=STRIDE)]


def _submit(api: NodeApi, raw: bytes) -> Digest | Problem:
    """Return the transaction's id, or why it is refused; whatever else goes wrong is no fault of its own."""
    try:
        return api.submit(raw)
    except (InputError, InvalidTransaction, MempoolFull) as error:
        return problem_document(error)


async def _wait(api: NodeApi, identities: Iterable[Digest], seconds: float) -> None:
    """Return once all are final, or have ended otherwise, or the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async for identity in gently(identities):
        try:
            await api.wait_final(identity, max(0.0, end - loop.time()))
        except TransactionUnknown:
            continue  # it has ended while others were waited for; its result says so


def _result(api: NodeApi, taken: Digest | Problem) -> dict[str, Plain]:
    if isinstance(taken, dict):
        return {"status": "refused", "problem": taken}
    try:
        return standing(taken, outcome(api, taken))
    except TransactionUnknown as error:
        return {"id": taken.hex(), "status": "unknown", "problem": problem_document(error)}
