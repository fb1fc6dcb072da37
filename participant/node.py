"""One node as it is reached over HTTP: bounded answers, bounded times, and every failure as a `NodeFault`.

Nothing is believed here: callers check digests and proofs inside `Node.blamed`, so that what does not hold is held
against the node that sent it.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from ledger.errors import ConfigurationError, InputError, Undecidable, VerificationFailed
from participant.errors import (
    MalformedAnswer,
    NodeBehind,
    NodeFault,
    NodeForbids,
    NodeHasNone,
    NodeLied,
    NodeRefused,
    NodeUnreachable,
    NodeUnwell,
)
from participant.http_types import Problem, decode_answer

ANSWER_BYTES_MAX = 16 * 2**20
"""Largest answer but a blob: a busy block, or a round with a thousand participants."""
PROBLEM_BYTES_MAX = 64 * 2**10
PROBLEM_TEXT_MAX = 300
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""Longest a node may say nothing, beyond what it was asked to wait."""
BYTES_PER_SECOND_MIN = 2**20
"""Slowest transfer, and slowest examination of an upload, that is waited for."""
CHUNK_BYTES = 2**18

JSON = "application/json"
MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"

T = TypeVar("T")


def seconds_to_move(size: int) -> float:
    """Return how long it may take to transfer or examine so many bytes."""
    return size / BYTES_PER_SECOND_MIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a node is asked."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    wait_seconds: float = 0.0
    """How long the node may hold the answer back until something has happened; zero: not at all."""
    answer_bytes_max: int = ANSWER_BYTES_MAX

    @property
    def seconds_to_begin(self) -> float:
        """Longest that the node may take until it answers, once it has all of the request."""
        return SILENCE_SECONDS + self.wait_seconds + seconds_to_move(len(self.content or b""))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Node:
    """One node of the list."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        """Raise ConfigurationError for what is no base URL of a node."""
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(mark in url for mark in "@?# \n"):
            raise ConfigurationError("URL of a node", expected="http://HOST:PORT or https://HOST:PORT", got=url)
        self.url = url.rstrip("/")
        self._http = http

    def json(self, request: Request, kind: type[T]) -> T:
        """Return a JSON answer of type `kind`; raises NodeFault."""
        body = self.ask(request)
        try:
            return decode_answer(body, kind)
        except ValueError as error:
            raise MalformedAnswer(self.url, f"{request}: {error}") from None

    def ask(self, request: Request) -> bytes:
        """Return the body of an answer that means success; raises NodeFault."""
        try:
            status, height, body = self._exchange(request)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NodeUnreachable(self.url, f"{request}: {type(error).__name__}: {error}") from error
        if httpx.codes.is_success(status):
            return body
        raise self._refusal(request, status, height, body)

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Turn what is wrong with an answer into a fault of this node."""
        try:
            yield
        except (VerificationFailed, InputError) as error:
            raise NodeLied(self.url, f"{what}: {error}") from error
        except Undecidable as error:
            raise NodeFault(self.url, f"{what}: {error}") from error

    @contextmanager
    def owing(self) -> Iterator[None]:
        """Take a 404 for delay: what is asked for is proven to exist."""
        try:
            yield
        except NodeHasNone as refusal:
            raise NodeBehind(self.url, f"lacks what is proven to exist ({refusal})") from refusal

    def _exchange(self, request: Request) -> tuple[int, int | None, bytes]:
        timeout = httpx.Timeout(CONNECT_SECONDS, read=request.seconds_to_begin, write=SILENCE_SECONDS)
        headers = {"Accept-Encoding": "identity", **request.headers}  # a compressed answer could be any size
        if request.content is not None:
            headers["Content-Length"] = str(len(request.content))
        wait = {"wait": str(int(request.wait_seconds * 1_000))} if request.wait_seconds else {}
        with self._http.stream(
            request.method,
            f"{self.url}{request.path}",
            params={**request.query, **wait},
            headers=headers,
            content=None if request.content is None else _chunks(request.content),
            timeout=timeout,
        ) as response:
            good = httpx.codes.is_success(response.status_code)
            body = self._read(response, request, request.answer_bytes_max if good else PROBLEM_BYTES_MAX)
            height = response.headers.get("Quorate-Height", "")
            return response.status_code, int(height) if _HEIGHT.fullmatch(height) else None, body

    def _read(self, response: httpx.Response, request: Request, bytes_max: int) -> bytes:
        end = time.monotonic() + SILENCE_SECONDS + seconds_to_move(bytes_max)
        parts, size = [], 0
        for part in response.iter_raw():
            parts.append(part)
            size += len(part)
            if size > bytes_max:
                raise MalformedAnswer(self.url, f"answer to {request}", expected=f"at most {bytes_max} bytes", got=size)
            if time.monotonic() > end:
                raise NodeUnreachable(self.url, f"answer to {request}", expected="one in time", got=f"{size} bytes")
        return b"".join(parts)

    def _refusal(self, request: Request, status: int, height: int | None, body: bytes) -> NodeFault:
        if status < httpx.codes.BAD_REQUEST:
            return MalformedAnswer(self.url, str(request), expected="success or a problem", got=f"HTTP {status}")
        try:
            problem = decode_answer(body, Problem)
        except ValueError:
            problem = Problem(code=f"http-{status}")
        code, detail = _printable(problem.code), _printable(problem.detail)
        if status in _TRANSIENT or httpx.codes.is_server_error(status):
            return NodeUnwell(self.url, f"{request}: {detail} ({code})")
        return _REFUSALS.get(status, NodeRefused)(self.url, str(request), problem=code, detail=detail, height=height)


_HEIGHT = re.compile(r"[0-9]{1,19}")
_TRANSIENT = {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS}
_REFUSALS: dict[int, type[NodeRefused]] = {
    httpx.codes.UNAUTHORIZED: NodeForbids,
    httpx.codes.FORBIDDEN: NodeForbids,
    httpx.codes.NOT_FOUND: NodeHasNone,
}


def _printable(text: str) -> str:
    """Return hostile text without control and bidirectional characters, and not too much of it."""
    return "".join(mark if mark.isprintable() else "?" for mark in text[:PROBLEM_TEXT_MAX])


def _chunks(content: bytes) -> Iterator[bytes]:
    """Yield a body in parts: the transport copies what is left of a part at each write."""
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]
