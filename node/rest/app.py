"""The application: routes by noun, one envelope around them, one form for every refusal."""

import asyncio

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from node.config import LimitsSection, RestSection
from node.rest import blobs, blocks, health, members, openapi, submissions, tasks, transactions
from node.rest.calls import HeldCalls, Slots
from node.rest.context import RestContext
from node.rest.envelope import Envelope
from node.rest.parameters import refuse_unknown_parameters
from node.rest.problems import add_handlers
from node.runtime.api import NodeApi

DESCRIPTION = """A validator of a Quorate chain. Reads answer with records as JSON, with canonical bytes where noted, \
and with the height that they reflect in `Quorate-Height`. State changes are signed transactions; uploads and reads of \
blobs carry signed statements."""


def create_app(api: NodeApi, section: RestSection, limits: LimitsSection) -> FastAPI:
    """Return the HTTP interface of a node."""
    app = FastAPI(
        title="Quorate node",
        version="1",
        description=DESCRIPTION,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown_parameters)],
        responses=openapi.PROBLEM_RESPONSE,
        generate_unique_id_function=_operation_id,
    )
    context = RestContext(
        api=api,
        section=section,
        limits=limits,
        held=HeldCalls(),
        requests=Slots("requests", section.requests_concurrent_max),
        uploads=Slots("uploads", limits.uploads_concurrent_max),
        admitting=asyncio.Lock(),
    )
    app.state.context = context
    for part in (health, blocks, transactions, submissions, tasks, members, blobs, openapi):
        app.include_router(part.router)
    add_handlers(app)
    app.add_middleware(Envelope, api=api, requests=context.requests)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name.rstrip("_")
