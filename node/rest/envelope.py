"""What holds for every request, whatever its route: limits on its head, requests at a time, headers of the answer.

HEAD is answered as GET without a body. An exception that no handler knows becomes `internal-error` here, before the
server sees it.
"""

from contextlib import nullcontext

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.rest.answers import HEIGHT_HEADER
from node.rest.calls import Slots
from node.rest.errors import HeadersTooLarge, RestError, TargetTooLong
from node.rest.problems import internal_answer, problem_answer
from node.runtime.api import NodeApi

TARGET_BYTES_MAX = 2_048
"""Path and query together; the longest of ours takes some 150."""
HEADER_BYTES_MAX = 16_384
"""All names and values together; a ticket takes some 300."""
ALWAYS = "/livez"
"""Answered however busy the node is: a supervisor that hears nothing would kill it."""
IS_HEAD = "quorate.head"
"""Set in the scope of a request for the head alone."""


class Envelope:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, *, api: NodeApi, requests: Slots) -> None:
        self._app = app
        self._api = api
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._api, scope, receive, send)
        inner = {**scope, "method": "GET", IS_HEAD: True} if scope["method"] == "HEAD" else scope
        try:
            _check_head(scope)
            with nullcontext() if scope["path"] == ALWAYS else self._requests.take():
                await self._app(inner, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except RestError as error:
            await problem_answer(error)(inner, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.started:
                raise
            await internal_answer(inner, error)(inner, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer, as they pass the envelope."""

    def __init__(self, api: NodeApi, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = False
        self._api = api
        self._receive = receive
        self._send = send
        # A caller that waits for 100 and gets its answer without may or may not send the body: nobody could tell
        # where its next request begins (RFC 9110, 10.1.1).
        self._must_close = any(name == b"expect" for name, _ in scope["headers"])

    async def receive(self) -> Message:
        """Pass on what the caller sends."""
        self._must_close = False
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Pass on the answer, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(raw=list(message["headers"]))
            headers.setdefault(HEIGHT_HEADER, str(self._api.height))
            headers["X-Content-Type-Options"] = "nosniff"
            if self._must_close:
                headers["Connection"] = "close"
            message = {**message, "headers": headers.raw}
        await self._send(message)


def _check_head(scope: Scope) -> None:
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if target > TARGET_BYTES_MAX:
        raise TargetTooLong("request target", expected=f"at most {TARGET_BYTES_MAX} bytes", got=target)
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    if headers > HEADER_BYTES_MAX:
        raise HeadersTooLarge("headers", expected=f"at most {HEADER_BYTES_MAX} bytes", got=headers)
