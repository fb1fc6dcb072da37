"""A node in front of a node: passes requests on to a real one, and does wrong where a test wants it to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

import httpx


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request, and the answer that the real node gave."""

    method: str
    path: str
    """Without the query."""
    status: int
    headers: dict[str, str]
    body: bytes


Tamper: TypeAlias = Callable[[Exchange], "Exchange | bytes | None"]
"""Returns the answer to give: another one, raw bytes instead of HTTP, or None for hanging up."""


@dataclass(slots=True, kw_only=True)
class Proxy:
    """A running proxy."""

    url: str
    tamper: Tamper
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""


@contextmanager
def proxy(target: str, tamper: Tamper = lambda exchange: exchange, *, forwards: bool = True) -> Iterator[Proxy]:
    """Run a proxy until the block ends; one that does not forward answers 200 with nothing."""
    running = Proxy(url="", tamper=tamper)
    with httpx.Client(base_url=target, timeout=60) as upstream:

        class Handler(_Handler):
            state = running
            node = upstream if forwards else None

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False
        running.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Proxy
    node: httpx.Client | None

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        exchange = self._forward(body)
        self.state.seen.append((exchange.method, exchange.path))
        answer = self.state.tamper(exchange)
        self.close_connection = True
        if answer is None:
            return
        if isinstance(answer, bytes):
            self.wfile.write(answer)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _forward(self, body: bytes) -> Exchange:
        path = self.path.partition("?")[0]
        if self.node is None:
            return Exchange(method=self.command, path=path, status=200, headers={}, body=b"")
        kept = ("Accept", "Accept-Encoding", "Authorization", "Content-Type", "Quorate-Ticket")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        answer = self.node.request(self.command, self.path, headers=headers, content=body)
        shown = {name: answer.headers[name] for name in ("Content-Type", "Quorate-Height") if name in answer.headers}
        return Exchange(method=self.command, path=path, status=answer.status_code, headers=shown, body=answer.content)
