"""Routes of blobs: upload with a signed ticket, read with a signed request, and what the chain records."""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from contracts import queries
from ledger import state_keys
from ledger.blobs import BlobFacts, SignedReadRequest, SignedTicket
from ledger.errors import TooLarge
from ledger.hashing import Digest
from ledger.rendering import Plain, plain
from node.errors import NotAuthorised
from node.rest import examples, record_schemas
from node.rest.answers import HEIGHT_HEADER, json_answer, plain_noun, state_proof
from node.rest.blob_answer import BlobAnswer
from node.rest.bodies import check_form, declared_length, read_chunk
from node.rest.context import Context, RestContext
from node.rest.errors import AuthorizationRequired, LengthRequired, NotFound, TicketMismatch
from node.rest.media import (
    OCTETS,
    Span,
    content_digest,
    decode_statement,
    entity_tag,
    is_known,
    requested_span,
    stated_digest,
)
from node.rest.parameters import DigestPath, ProofQuery, WaitQuery, as_digest
from node.rest.request_examples import body_content, header_example
from node.storage.errors import BlobMismatch

router = APIRouter(prefix="/v1/blobs", tags=["blobs"])

SCHEME = "Quorate"
CHALLENGE = {"WWW-Authenticate": SCHEME}
OCTET_STREAM = {OCTETS: {"schema": {"type": "string", "contentEncoding": "binary"}}}
UPLOAD = {
    "required": True,
    "description": "A layout or report in canonical MessagePack, or an update or model as canonical safetensors.",
    "content": body_content(OCTETS, examples.LAYOUT_BLOB, "The layout of a model with two tensors."),
}

Ticket = Annotated[
    str | None,
    Security(
        APIKeyHeader(
            name="Quorate-Ticket",
            auto_error=False,
            scheme_name="ticket",
            description=f"base64url of a canonical SignedTicket, padded or not. {header_example(examples.TICKET)}",
        )
    ),
]
Credentials = Annotated[
    str | None,
    Security(
        APIKeyHeader(
            name="Authorization",
            auto_error=False,
            scheme_name="read-request",
            description=f"`{SCHEME} ` and base64url of a canonical SignedReadRequest. "
            + header_example(examples.READ_REQUEST, scheme=f"{SCHEME} "),
        )
    ),
]


@router.put(
    "/{digest}",
    response_model=record_schemas.Uploaded,
    status_code=201,
    responses={200: {"model": record_schemas.Uploaded, "description": "It was here already."}},
    openapi_extra={"requestBody": UPLOAD},
)
async def upload(
    request: Request, context: Context, digest: DigestPath, ticket: Ticket, wait: WaitQuery = None
) -> Response:
    """Upload a blob; it is stored durably and examined before the answer, and recorded once a quorum holds it."""
    api, named = context.api, as_digest(digest)
    signed = _checked_ticket(request, context, named, ticket)
    if api.has_blob(named):
        status, facts = 200, await api.offer_again(signed)
    else:
        with context.uploads.take():
            status, facts = 201, await _receive(request, context, signed)
    if wait:
        await context.held.hold(request, api.wait_recorded(named, context.seconds(wait)))
    content: dict[str, Plain] = {
        "digest": digest,
        "size": signed.ticket.size,
        "facts": plain(facts),
        "recorded": api.blob_record(named) is not None,
    }
    return json_answer(api.height, content, status=status, headers={"Location": f"/v1/blobs/{digest}"})


@router.get(
    "/{digest}",
    response_class=Response,
    responses={
        200: {"description": "The blob.", "content": OCTET_STREAM},
        206: {"description": "The part that Range asks for.", "content": OCTET_STREAM},
        304: {"description": "The caller has it already."},
    },
)
async def blob(request: Request, context: Context, digest: DigestPath, authorization: Credentials) -> Response:
    """Read a blob, or one range of it; updates are open to validators, and to operators once their round has closed."""
    named = as_digest(digest)
    signed = _read_request(named, authorization)
    tag = entity_tag(named)
    headers = {HEIGHT_HEADER: str(context.api.height), "ETag": tag, "Accept-Ranges": "bytes"}
    file, size = context.api.open_blob(signed)
    try:
        if is_known(tag, request.headers.getlist("if-none-match")):
            file.close()
            return Response(status_code=304, headers=headers)
        matches = request.headers.get("if-range", tag) == tag
        span = requested_span(request.headers.get("range") if matches else None, size=size)
    except BaseException:
        file.close()
        raise
    if span is None:
        headers["Content-Digest"] = content_digest(named)
        return BlobAnswer(file, Span(start=0, end=size), status=200, headers=headers)
    headers["Repr-Digest"] = content_digest(named)
    headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    return BlobAnswer(file, span, status=206, headers=headers)


@router.get("/{digest}/record", response_model=record_schemas.Blob)
async def record(context: Context, digest: DigestPath, *, proof: ProofQuery = False) -> Response:
    """Read what the chain records of a blob: size, facts, and since when a quorum holds it."""
    api, named = context.api, as_digest(digest)
    found = api.blob_record(named)
    if found is None:
        raise NotFound("record of the blob", expected="one that a quorum holds", got=digest)
    content = {**plain_noun(found), **state_proof(api, state_keys.blob(named), wanted=proof)}
    return json_answer(api.height, content)


def _checked_ticket(request: Request, context: RestContext, named: Digest, text: str | None) -> SignedTicket:
    """Return the ticket of an upload whose head is in order; its signature is checked where it is used.

    Raises UnsupportedMediaType, LengthRequired, TooLarge, AuthorizationRequired, MalformedEncoding, TicketMismatch,
    BlobMismatch for a Content-Digest of something else.
    """
    check_form(request, OCTETS)
    size = declared_length(request)
    if size is None:
        raise LengthRequired("Content-Length", expected="the size of the blob", got="none")
    size_max = min(context.limits.blob_bytes_max, queries.parameters(context.api.state).blob_bytes_max)
    if size > size_max:
        raise TooLarge("blob", expected=f"at most {size_max} bytes", got=f"{size} bytes")
    if text is None:
        raise AuthorizationRequired("Quorate-Ticket", expected="a signed ticket", got="none", headers=CHALLENGE)
    signed = decode_statement(text, SignedTicket)
    if (signed.ticket.blob, signed.ticket.size) != (named, size):
        raise TicketMismatch(
            "ticket of the upload",
            expected=f"{size} bytes of blob {named.hex()}",
            got=f"{signed.ticket.size} bytes of blob {signed.ticket.blob.hex()}",
        )
    stated = stated_digest(",".join(request.headers.getlist("content-digest")))
    if stated not in {None, named}:
        raise BlobMismatch("Content-Digest", expected=content_digest(named), got=request.headers["content-digest"])
    return signed


async def _receive(request: Request, context: RestContext, signed: SignedTicket) -> BlobFacts:
    """Write a body to disk as it arrives, examine it and offer it to the other validators; nothing bad is kept."""
    with context.api.begin_upload(signed) as incoming:
        more = True
        while more:
            chunk, more = await read_chunk(request)
            incoming.write(chunk)
        return await context.api.finish_upload(signed, incoming)


def _read_request(named: Digest, authorization: str | None) -> SignedReadRequest:
    scheme, _, statement = (authorization or "").strip().partition(" ")
    if scheme.lower() != SCHEME.lower() or not statement:
        raise AuthorizationRequired(
            "Authorization", expected=f"{SCHEME} and a signed read request", got=scheme or "none", headers=CHALLENGE
        )
    signed = decode_statement(statement.strip(), SignedReadRequest)
    if signed.request.blob != named:
        raise NotAuthorised("blob of the read request", expected=named.hex(), got=signed.request.blob.hex())
    return signed
