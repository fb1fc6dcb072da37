"""Routes about the node itself: version, status, genesis, probes, and what the problem codes mean."""

import inspect
import platform
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from contracts import queries
from ledger.encoding import PROTOCOL_VERSION
from ledger.rendering import Plain
from node.rest import schemas
from node.rest.answers import HEIGHT_HEADER, json_answer, plain_record
from node.rest.context import Context
from node.rest.errors import NotFound
from node.rest.media import JSON, entity_tag, is_known
from node.rest.parameters import CodePath
from node.rest.problems import problem_types, title_of
from node.runtime.status import software_version
from node.storage.schema import SCHEMA_VERSION

router = APIRouter(tags=["node"])


@router.get("/v1/version", response_model=schemas.Version)
async def version(context: Context) -> Response:
    """Versions of the software, the protocol, the database's schema and Python."""
    found: dict[str, Plain] = {
        "software": software_version(),
        "protocol": PROTOCOL_VERSION,
        "schema": SCHEMA_VERSION,
        "python": platform.python_version(),
    }
    return json_answer(context.api.height, found)


@router.get("/v1/status", response_model=schemas.Status)
async def status(context: Context) -> Response:
    """Where this node stands, and which chain it belongs to."""
    api = context.api
    validators = queries.validators(api.state)
    found = plain_record(api.status())
    assert isinstance(found, dict)
    about: dict[str, Plain] = {
        "chain_id": api.member.chain_id.hex(),
        "chain": api.member.genesis.document.chain,
        "organisation": api.member.organisation,
        "quorum": validators.quorum,
        "validators": validators.size,
    }
    return json_answer(api.height, {**found, **about})


@router.get(
    "/v1/genesis",
    response_class=Response,
    responses={
        200: {
            "description": "The genesis file's very bytes; the entity tag is the chain id.",
            "content": {JSON: {"schema": {"type": "object"}, "example": {"format": "quorate-genesis-1"}}},
        },
        304: {"description": "The caller has it already."},
    },
)
async def genesis(request: Request, context: Context) -> Response:
    """Read the genesis file from which the chain began."""
    member = context.api.member
    tag = entity_tag(member.chain_id)
    headers = {HEIGHT_HEADER: str(context.api.height), "ETag": tag}
    if is_known(tag, request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(member.genesis.data, media_type=JSON, headers=headers)


@router.get("/livez", response_model=schemas.Probe)
async def livez(context: Context) -> Response:
    """Whether the process answers at all."""
    return json_answer(context.api.height, {"status": "ok"})


@router.get("/readyz", response_model=schemas.Readiness, responses={503: {"model": schemas.Readiness}})
async def readyz(
    context: Context,
    verbose: Annotated[str | None, Query(description="Name the checks that hold, too.", examples=[""])] = None,
) -> Response:
    """Whether callers should be sent here; without `verbose` only the checks that fail are named, and no alarms."""
    checks = context.api.readiness()
    ready = all(check.ok for check in checks)
    shown = [check for check in checks if verbose is not None or not check.ok]
    found: dict[str, Plain] = {"status": "ok" if ready else "unavailable", "checks": plain_record(shown)}
    if verbose is not None:
        found["alarms"] = plain_record(tuple(context.api.alarms))
    return json_answer(context.api.height, found, status=200 if ready else 503)


@router.get("/problems/{code}", response_model=schemas.ProblemType)
async def problem(context: Context, code: CodePath) -> Response:
    """Explain what a problem's code means; the `type` of every problem document leads here."""
    kind = problem_types().get(code)
    if kind is None:
        raise NotFound("code of a problem", expected="one of the error tree", got=code)
    found: dict[str, Plain] = {
        "code": code,
        "title": title_of(kind),
        "meaning": inspect.getdoc(kind) or "",
        "hint": kind.hint,
        "status": kind.http_status,
    }
    return json_answer(context.api.height, found)
