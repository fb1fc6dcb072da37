"""Connections that misbehave before there is a request: each is answered or ended, none is kept waiting."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from node.rest import http_protocol, schemas, server
from node.transport.sockets import Address
from tests.network import WAIT_SECONDS
from tests.node.rest.blob_calls import connect, head, put, read_answer, read_one_answer, update, upload_headers
from tests.node.rest.served import Served, checked

MUCH_BYTES = 64 * 2**20
"""More than the kernel takes on its own."""


def connected(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=WAIT_SECONDS)


@contextmanager
def listening(served: Served, *, connections_max: int) -> Iterator[Address]:
    """Run another listener over the first node."""
    app = served.app()

    async def start() -> tuple[server.HttpServer, asyncio.Task[None]]:
        listener = server.HttpServer(app, ("127.0.0.1", 0), connections_max=connections_max, tls=None)
        return listener, asyncio.ensure_future(listener.serve())

    listener, serving = served.run(start())

    async def stop() -> None:
        await listener.stop()
        await serving

    try:
        yield listener.address
    finally:
        served.run(stop())


def problem_in(answer: bytes, status: int) -> dict[str, Any]:
    """Return the problem document of an answer as it came from the socket."""
    first, _, _ = answer.partition(b"\r\n")
    fields, _, body = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"content-type: application/problem+json" in fields
    assert b"content-length: %d\r\n" % len(body) in fields
    document: dict[str, Any] = json.loads(body)
    schemas.Problem.model_validate(document)
    return document


def read_until_reset(connection: socket.socket) -> bytes:
    """Return what comes until the other end closes or resets the connection."""
    try:
        return read_answer(connection)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x00\xa5", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"hello\r\n\r\n"])
def test_what_is_not_http_gets_a_problem_and_the_end(served: Served, sent: bytes) -> None:
    with connect(served) as connection:
        connection.sendall(sent)
        assert problem_in(read_answer(connection), 400)["code"] == "bad-request"


@pytest.mark.parametrize(
    "fields",
    [
        {"Content-Length": "5", "Transfer-Encoding": "chunked"},
        {"Content-Length": "-5"},
        {"Content-Length": "5x"},
        {"Transfer-Encoding": "nonsense"},
        {"Bad Name": "x"},
    ],
)
def test_a_request_whose_length_is_in_doubt_is_refused(served: Served, fields: dict[str, str]) -> None:
    with connect(served) as connection:
        connection.sendall(head("POST", "/v1/transactions", fields))
        assert problem_in(read_answer(connection), 400)["code"] == "bad-request"


def test_a_head_without_end_is_cut_off(served: Served) -> None:
    sent = 0
    with connect(served) as connection:
        connection.sendall(b"GET /v1/status HTTP/1.1\r\nX-Much: ")
        with suppress(ConnectionError):
            while sent < MUCH_BYTES:
                sent += connection.send(b"x" * 16_384)
    assert sent < MUCH_BYTES


def test_a_head_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
    with connect(served) as connection:
        assert read_until_reset(connection) == b""


def test_a_head_that_stops_half_way_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(served) as connection:
        connection.sendall(head("GET", "/livez", {}))
        assert read_one_answer(connection).startswith(b"HTTP/1.1 200 OK")
        monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost:")
        assert read_until_reset(connection) == b""


def test_the_rest_of_a_refused_body_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.5)
    fields = {"Content-Type": "application/msgpack", "Content-Length": "1000000"}
    with listening(served, connections_max=2) as address, connected(address) as connection:
        connection.sendall(head("POST", "/v1/transactions", fields) + b"x" * 100)
        assert read_one_answer(connection).startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"x" * 100)
        assert read_until_reset(connection) == b""


def test_a_refused_body_is_read_to_its_end_and_the_connection_kept(served: Served, caller: httpx.Client) -> None:
    with connect(served) as connection:
        body = b"x" * 1_000_000
        fields = {"Content-Type": "application/msgpack", "Content-Length": str(len(body))}
        connection.sendall(head("POST", "/v1/transactions", fields) + body)
        connection.sendall(head("GET", "/livez", {"Connection": "close"}))
        answers = read_answer(connection)
    assert answers.index(b"HTTP/1.1 413 ") < answers.index(b"HTTP/1.1 200 OK")
    checked(caller.get("/livez"), schemas.Probe)


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(
            head("GET", "/v1/version", {})
            + head("GET", "/v1/nothing", {})
            + head("GET", "/livez", {"Connection": "close"})
        )
        answers = read_answer(connection)
    places = [answers.index(mark) for mark in (b'"software"', b'"unknown-path"', b'"ok"')]
    assert places == sorted(places)


def test_a_head_may_follow_a_body_in_one_piece(served: Served) -> None:
    data = update(served, 300)
    with served.caller() as caller:
        put(caller, data, upload_headers(served, data))
    fields = {"Content-Type": "application/msgpack", "Content-Length": "60000"}
    with connect(served) as connection:
        connection.sendall(head("POST", "/v1/transactions", fields) + b"x" * 60_000 + b"GET /livez HTTP/1.1\r\n")
        connection.sendall(b"Host: node\r\nConnection: close\r\n\r\n")
        assert read_answer(connection).endswith(b'{"status":"ok"}')


def test_one_connection_too_many_is_refused(served: Served) -> None:
    with listening(served, connections_max=1) as address:
        with connected(address) as first:
            first.sendall(head("GET", "/livez", {}))
            assert read_one_answer(first).startswith(b"HTTP/1.1 200 OK")
            with connected(address) as second:
                assert problem_in(read_answer(second), 503)["code"] == "overloaded"
        with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as caller:
            while caller.get("/livez", headers={"Connection": "close"}).status_code == 503:
                pass
