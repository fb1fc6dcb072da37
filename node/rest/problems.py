"""Problem documents (RFC 9457): one form for every refusal, made from the classes of the error tree."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from ledger.errors import QuorateError
from node.rest.errors import InternalError, InvalidParameter, MethodNotAllowed, RestError, UnknownPath
from node.rest.media import PROBLEM

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger()

RETRY_SECONDS = 1
"""What Retry-After says where waiting helps."""
METHODS = ("GET", "POST", "PUT")
"""Those that any route has; HEAD goes with GET."""


def problem_types() -> dict[str, type[QuorateError]]:
    """Return the class of each code; a class that only repeats its parent's code stands under its parent."""
    found: dict[str, type[QuorateError]] = {}
    classes: list[type[QuorateError]] = [QuorateError]
    for kind in classes:
        found.setdefault(kind.code, kind)
        classes += kind.__subclasses__()
    return found


def title_of(kind: type[QuorateError]) -> str:
    """Return the title that all problems of one code share."""
    return kind.code.replace("-", " ").capitalize()


def problem_document(error: QuorateError) -> dict[str, Any]:
    """Return the members of a problem document; what went wrong inside the node stays there."""
    inside = error.http_status == 500
    document: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": title_of(type(error)),
        "status": error.http_status,
        "detail": "The node's log says more." if inside else str(error),
        "code": error.code,
    }
    if error.hint:
        document["hint"] = error.hint
    for name, value in (("expected", error.expected), ("got", error.got)):
        if value is not None and not inside:
            document[name] = str(value)[:500]
    return document


def problem_answer(error: QuorateError) -> Response:
    """Return the answer that an error is refused with."""
    headers: dict[str, str] = dict(error.headers) if isinstance(error, RestError) else {}
    if error.http_status in {429, 503}:
        headers["Retry-After"] = str(RETRY_SECONDS)
    body = msgspec.json.encode(problem_document(error))
    return Response(body, status_code=error.http_status, headers=headers, media_type=PROBLEM)


def internal_answer(scope: Mapping[str, Any], error: Exception) -> Response:
    """Log what must not happen, and return an answer that says no more than that it did."""
    route = getattr(scope.get("route"), "path", "none")
    log.error("request-failed", method=scope["method"], route=route, exc_info=error)
    return problem_answer(InternalError("request"))


def add_handlers(app: "FastAPI") -> None:
    """Let every exception that a route or the router raises become a problem document."""
    app.add_exception_handler(QuorateError, _on_error)
    app.add_exception_handler(HTTPException, _on_routing)
    app.add_exception_handler(RequestValidationError, _on_validation)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, QuorateError)
    if error.http_status == 500:
        request.app.state.context.api.on_refused(error)
        route = getattr(request.scope.get("route"), "path", "none")
        log.error("request-refused", method=request.method, route=route, code=error.code, error=str(error))
    return problem_answer(error)


async def _on_routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem_answer(UnknownPath("path", expected="one that /openapi.json lists", got=request.url.path))
    if error.status_code == 405:
        allowed = _methods_of(request)
        refusal = MethodNotAllowed("method", expected=allowed, got=request.method, headers={"Allow": allowed})
        return problem_answer(refusal)
    return internal_answer(request.scope, error)


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where, name = first["loc"][0], first["loc"][-1]
    said = str(first["msg"]).removeprefix("Input should be ").removeprefix("String should ")
    return problem_answer(InvalidParameter(f"{where} parameter {name}", expected=said, got=first.get("input")))


def _methods_of(request: Request) -> str:
    """Return the methods that the path of a request answers to, as Allow writes them."""
    found = []
    for method in METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            found += [method, "HEAD"] if method == "GET" else [method]
    return ", ".join(found)
