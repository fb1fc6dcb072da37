"""The HTTP listeners of a node, in the node's own event loop: nothing here touches signals, logs or processes."""

import asyncio
import os
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from ledger.errors import ConfigurationError
from ledger.keyfile import check_mode
from node.config import RestSection
from node.rest.context import RestContext
from node.rest.http_protocol import BoundedHttpProtocol
from node.transport.sockets import Address, listening_socket, parse_address

KEEP_ALIVE_SECONDS = 15
"""How long a connection may be idle between two requests."""
STOP_SECONDS = 5
"""How long requests may go on once the server stops."""
CONNECTIONS_PER_REQUEST = 2
"""Connections for each request that may be served at a time: callers keep some open."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the node has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One listener; bound when made, so that a wrong address is found before the node starts."""

    def __init__(self, app: ASGIApp, address: Address, *, connections_max: int, tls: ssl.SSLContext | None) -> None:
        """Bind; raises ConfigurationError."""
        self._socket = listening_socket(address)
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=connections_max,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> Address:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def serve(self) -> None:
        """Serve until `stop`."""
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        await asyncio.shield(self._serving)

    async def stop(self) -> None:
        """Take no more requests, let those that run finish, and return once they have."""
        self._server.should_exit = True
        if self._serving is None:
            self.close()
            return
        await asyncio.gather(self._serving, return_exceptions=True)
        await asyncio.gather(*self._server.server_state.tasks, return_exceptions=True)

    def close(self) -> None:
        """Give the address back, if `serve` was never called."""
        self._socket.close()


class RestServer(HttpServer):
    """The listener for callers: loopback only, unless a certificate is configured."""

    def __init__(self, app: FastAPI, section: RestSection) -> None:
        """Load the certificate and bind; raises ConfigurationError."""
        context = app.state.context
        assert isinstance(context, RestContext)
        self._held = context.held
        tls = _tls(section)
        connections_max = CONNECTIONS_PER_REQUEST * section.requests_concurrent_max
        super().__init__(app, parse_address(section.listen), connections_max=connections_max, tls=tls)
        if tls is None and not ip_address(self.address[0]).is_loopback:
            self.close()
            raise ConfigurationError(
                "rest.listen without rest.certificate",
                expected="a loopback address such as 127.0.0.1:7451",
                got=section.listen,
            )

    async def stop(self) -> None:
        """Let held calls answer at once, then stop as any listener does."""
        self._held.end()
        await super().stop()


def _tls(section: RestSection) -> ssl.SSLContext | None:
    """Return the context of HTTPS, if it is configured; raises ConfigurationError."""
    if not section.certificate and not section.private_key:
        return None
    if not (section.certificate and section.private_key):
        missing = "rest.private_key" if section.certificate else "rest.certificate"
        raise ConfigurationError("HTTPS", expected="rest.certificate and rest.private_key", got=f"no {missing}")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An encrypted key would otherwise make OpenSSL ask at the terminal.
        if os.name == "posix":
            check_mode("rest.private_key", stat.S_IMODE(Path(section.private_key).stat().st_mode))
        tls.load_cert_chain(section.certificate, section.private_key, password="")
    except OSError as error:
        raise ConfigurationError(
            "rest.certificate and rest.private_key", expected="PEM files of a certificate and its key", got=error
        ) from error
    return tls
