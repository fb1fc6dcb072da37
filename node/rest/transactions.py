"""Routes of transactions: submit one, and ask what became of it."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ledger.encoding import encode
from ledger.hashing import Digest
from ledger.light_client import EntryProof
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.rendering import Plain, plain
from node.errors import TransactionUnknown
from node.rest import examples, record_schemas
from node.rest.answers import canonical_answer, json_answer
from node.rest.bodies import check_form, read_body
from node.rest.context import Context, RestContext
from node.rest.media import JSON, MSGPACK, accepted_form
from node.rest.parameters import DigestPath, WaitQuery, as_digest
from node.rest.request_examples import body_content
from node.runtime.api import Final, NodeApi

router = APIRouter(prefix="/v1/transactions", tags=["transactions"])

SUBMISSION = {
    "requestBody": {
        "required": True,
        "description": f"A canonical SignedTransaction of at most {TRANSACTION_BYTES_MAX} bytes.",
        "content": body_content(
            MSGPACK,
            encode(examples.SIGNED_TRANSACTION),
            "A site submits an update of round 1.",
            maxLength=TRANSACTION_BYTES_MAX,
        ),
    }
}
CANONICAL: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Canonical EntryProof, once final.",
        "content": {MSGPACK: {"schema": {"type": "string", "contentEncoding": "binary"}}},
    }
}


@router.post(
    "",
    response_model=record_schemas.Submitted,
    openapi_extra=SUBMISSION,
    responses={202: {"model": record_schemas.Submitted, "description": "It waits to be ordered."}},
)
async def submit(request: Request, context: Context, wait: WaitQuery = None) -> Response:
    """Submit a signed transaction; the same bytes again get the same receipt."""
    check_form(request, MSGPACK)
    raw = await read_body(request, "transaction", bytes_max=TRANSACTION_BYTES_MAX)
    api = context.api
    identity = api.submit(raw)
    await _wait(request, context, identity, wait)
    final = outcome(api, identity)
    status = 202 if final is None else 200
    headers = {"Location": f"/v1/transactions/{identity.hex()}"}
    return json_answer(api.height, standing(identity, final), status=status, headers=headers)


@router.get("/{id}", response_model=record_schemas.TransactionOutcome, responses=CANONICAL)
async def transaction(request: Request, context: Context, id: DigestPath, wait: WaitQuery = None) -> Response:  # noqa: A002
    """Tell what became of a transaction; once final, with its entry and the proof that it stands in the log."""
    api, identity = context.api, as_digest(id)
    form = accepted_form(request.headers.get("accept"), (JSON, MSGPACK))
    await _wait(request, context, identity, wait)
    final = outcome(api, identity)
    found = standing(identity, final)
    if final is None:
        return json_answer(api.height, found)
    proof: EntryProof = api.entry_proof(final)
    if form == MSGPACK:
        return canonical_answer(api.height, proof)
    evidence: dict[str, Plain] = {"entry": plain(proof.entry), "proof": encode(proof).hex()}
    return json_answer(api.height, {**found, **evidence}, headers={"Vary": "Accept"})


async def _wait(request: Request, context: RestContext, identity: Digest, wait: int | None) -> None:
    if wait:
        await context.held.hold(request, context.api.wait_final(identity, context.seconds(wait)))


def outcome(api: NodeApi, identity: Digest) -> Final | None:
    """Return where a transaction stands, None while it waits; raises TransactionUnknown."""
    final = api.final(identity)
    if final is None and not api.is_waiting(identity):
        raise TransactionUnknown(
            f"transaction {identity.hex()}",
            expected="one that was appended or waits here",
            got="none, or an expired one",
        )
    return final


def standing(identity: Digest, final: Final | None) -> dict[str, Plain]:
    """Return what an answer says of a transaction that waits or is final."""
    if final is None:
        return {"id": identity.hex(), "status": "pending"}
    return {
        "id": identity.hex(),
        "status": "final",
        "height": final.receipt.height,
        "position": final.receipt.position,
        "log_index": final.log_index,
        "receipt": plain(final.receipt),
    }
