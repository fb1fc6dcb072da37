"""What a refusal must look like, whichever door it came through."""

from typing import Any

import httpx


def refused(response: httpx.Response, code: str, *, status: int) -> dict[str, Any]:
    """Return the problem document of a refusal, which says by a stable code what was expected and what came."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["status"], document["code"]) == (status, status, code), document
    assert document["type"] == f"/problems/{code}"
    assert {"expected", "got"} <= document.keys(), document
    assert document["expected"] != document["got"]
    return document
