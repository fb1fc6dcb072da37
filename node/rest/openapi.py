"""The OpenAPI document, and the page that shows it.

The page is made here and loads nothing from anywhere: consortium networks seldom reach the script hosts that the usual
viewers need, and should not have to trust them.
"""

import asyncio
import html
import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from node.rest.answers import json_answer
from node.rest.context import Context
from node.rest.media import PROBLEM
from node.rest.schemas import Problem

router = APIRouter(include_in_schema=False)

PROBLEM_RESPONSE: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused: a problem document.",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""What every route may answer with."""

POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
STYLE = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;padding:1em;\
overflow:auto}summary{cursor:pointer}code{font-weight:bold}"


async def openapi_document(request: Request) -> dict[str, Any]:
    """Return the document; made at the first request for it, in a thread, since that takes half a second."""
    document: dict[str, Any] = await asyncio.to_thread(request.app.openapi)
    document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
    return document


@router.get("/openapi.json")
async def openapi(request: Request, context: Context) -> Response:
    """Describe every route, machine-readable."""
    return json_answer(context.api.height, await openapi_document(request))


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Describe every route for people."""
    document = await openapi_document(request)
    parts = [_operation(document, path, method, operation) for path, method, operation in _operations(document)]
    title = html.escape(document["info"]["title"])
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    )
    return HTMLResponse(page + "<p><a href=/openapi.json>OpenAPI document</a></p>" + "".join(parts), headers=POLICY)


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        f"<li><code>{html.escape(parameter['name'])}</code> in {parameter['in']}: "
        f"{html.escape(parameter.get('description', ''))}</li>"
        for parameter in operation.get("parameters", [])
    ]
    return (
        f"<details><summary><code>{method.upper()} {html.escape(path)}</code> "
        f"{html.escape(operation.get('description', ''))}</summary><ul>{''.join(rows)}</ul>"
        f"<pre>{html.escape(json.dumps(_example(document, operation), indent=2))}</pre></details>"
    )


def _example(document: dict[str, Any], operation: dict[str, Any]) -> object:
    """Return the example of an operation's first answer, or how its bytes are called."""
    answer = next(iter(operation["responses"].values()))
    form, content = next(iter(answer["content"].items()))
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name]["examples"][0] if name else content.get("example", form)
