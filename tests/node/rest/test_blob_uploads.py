"""Uploads that are taken: examined, stored durably, recorded; and bodies that do not come as announced."""

import asyncio
import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from ledger.encoding import decode
from ledger.hashing import sha256
from ledger.light_client import LightClient, StateEntryProof
from ledger.records import BlobRecord
from node.config import LimitsSection
from node.rest import bodies, record_schemas, schemas
from tests.network import WAIT_SECONDS
from tests.node.rest.blob_calls import (
    connect,
    head,
    is_here,
    put,
    read_answer,
    until_nothing_arrives,
    until_something_arrives,
    update,
    upload_headers,
)
from tests.node.rest.served import Served, checked, refused

WAIT_MS = 30_000


def test_an_upload_is_examined_and_not_recorded_yet(served: Served, caller: httpx.Client) -> None:
    data = update(served, 1)
    response = put(caller, data, upload_headers(served, data))
    found = checked(response, record_schemas.Uploaded, status=201)
    assert (found["digest"], found["size"], found["recorded"]) == (sha256(data).hex(), len(data), False)
    assert (found["facts"]["kind"], found["facts"]["layout"]) == ("UpdateFacts", served.sites.layout.hex())
    assert response.headers["location"] == f"/v1/blobs/{sha256(data).hex()}"
    assert is_here(served, data)


def test_with_wait_it_is_recorded_and_the_record_is_proven(served: Served, caller: httpx.Client) -> None:
    data = update(served, 2)
    found = checked(put(caller, data, upload_headers(served, data), wait=WAIT_MS), record_schemas.Uploaded, status=201)
    assert found["recorded"] is True
    path = f"/v1/blobs/{sha256(data).hex()}/record"
    record = checked(caller.get(path, params={"proof": True}), record_schemas.Blob)
    assert (record["size"], record["facts"]) == (len(data), found["facts"])
    value = LightClient(served.network.genesis).verify_state(decode(bytes.fromhex(record["proof"]), StateEntryProof))
    assert value is not None
    assert decode(value, BlobRecord).recorded == record["recorded"]


def test_a_blob_that_is_here_is_not_taken_again(served: Served, caller: httpx.Client) -> None:
    data = update(served, 3)
    headers = upload_headers(served, data)
    first = checked(put(caller, data, headers, wait=WAIT_MS), record_schemas.Uploaded, status=201)
    assert checked(put(caller, data, headers), record_schemas.Uploaded, status=200) == first


def test_a_connection_is_of_use_after_a_body_that_was_not_read(served: Served, caller: httpx.Client) -> None:
    data = update(served, 4)
    put(caller, data, upload_headers(served, data), wait=WAIT_MS)
    with connect(served) as connection:
        headers = {**upload_headers(served, data), "Content-Length": str(len(data))}
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers) + data)
        connection.sendall(head("GET", "/livez", {"Connection": "close"}))
        answers = read_answer(connection)
    assert answers.count(b"HTTP/1.1 200 OK") == 2


def test_a_record_that_is_none_is_not_found(caller: httpx.Client) -> None:
    refused(caller.get(f"/v1/blobs/{'00' * 32}/record"), "not-found", status=404)


def test_a_padded_ticket_is_as_good(served: Served, caller: httpx.Client) -> None:
    data = update(served, 5)
    headers = upload_headers(served, data)
    headers["Quorate-Ticket"] += "=" * (-len(headers["Quorate-Ticket"]) % 4)
    checked(put(caller, data, headers), record_schemas.Uploaded, status=201)


def test_a_content_digest_of_the_blob_is_accepted(served: Served, caller: httpx.Client) -> None:
    data = update(served, 6)
    digest = f"sha-512=:AAAA:, sha-256=:{base64.b64encode(sha256(data)).decode()}:"
    response = put(caller, data, upload_headers(served, data, **{"Content-Digest": digest}))
    checked(response, record_schemas.Uploaded, status=201)


def test_a_blob_arrives_in_any_pieces(served: Served, caller: httpx.Client) -> None:
    data = update(served, 7)
    headers = {**upload_headers(served, data), "Content-Length": str(len(data))}
    pieces = (data[place : place + 7] for place in range(0, len(data), 7))
    response = caller.put(f"/v1/blobs/{sha256(data).hex()}", content=pieces, headers=headers)
    checked(response, record_schemas.Uploaded, status=201)


def test_a_caller_that_expects_100_gets_it_before_it_sends(served: Served) -> None:
    data = update(served, 8)
    headers = {
        **upload_headers(served, data),
        "Content-Length": str(len(data)),
        "Expect": "100-continue",
        "Connection": "close",
    }
    with connect(served) as connection:
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers))
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)
        assert read_answer(connection).startswith(b"HTTP/1.1 201 Created")


def test_a_caller_that_expects_100_and_is_refused_gets_the_refusal_instead_and_the_end(served: Served) -> None:
    data = update(served, 9)
    headers = {**upload_headers(served, data), "Content-Length": str(len(data)), "Expect": "100-continue"}
    del headers["Quorate-Ticket"]
    with connect(served) as connection:
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers))
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized")
    assert b"connection: close" in answer


def test_an_upload_that_breaks_off_leaves_nothing(served: Served) -> None:
    data = update(served, 10)
    headers = {**upload_headers(served, data), "Content-Length": str(len(data))}
    with connect(served) as connection:
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers) + data[:-1])
        until_something_arrives(served)
    until_nothing_arrives(served)
    assert not is_here(served, data)


def test_what_comes_beyond_the_declared_length_is_no_part_of_the_blob(served: Served) -> None:
    data = update(served, 11)
    headers = {**upload_headers(served, data), "Content-Length": str(len(data))}
    with connect(served) as connection:
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers) + data + b"beyond\r\n\r\n")
        answers = read_answer(connection)
    assert answers.count(b"HTTP/1.1 400 ") == 1
    until_nothing_arrives(served)


def test_an_upload_that_stands_still_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.05)
    data = update(served, 12)
    headers = {**upload_headers(served, data), "Content-Length": str(len(data)), "Connection": "close"}
    with connect(served) as connection:
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers) + data[:-1])
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
    assert b'"code":"request-timeout"' in answer
    until_nothing_arrives(served)
    assert not is_here(served, data)


def test_one_upload_too_many_is_refused_for_now(served: Served) -> None:
    limits = LimitsSection(uploads_concurrent_max=1)
    app = served.app(limits=limits)
    data = update(served, 13)

    async def scenario() -> httpx.Response:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            begun.set()
            await go_on.wait()
            yield data

        path = f"/v1/blobs/{sha256(data).hex()}"
        headers = {**upload_headers(served, data), "Content-Length": str(len(data))}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as caller:
            first = asyncio.ensure_future(caller.put(path, content=slowly(), headers=headers))
            await asyncio.wait_for(begun.wait(), WAIT_SECONDS)
            second = await caller.put(path, content=data, headers=headers)
            go_on.set()
            checked(await first, record_schemas.Uploaded, status=201)
        return second

    second = served.run(scenario())
    refused(second, "overloaded", status=503)
    assert second.headers["retry-after"] == "1"


def test_the_node_answers_others_while_an_upload_arrives(served: Served, caller: httpx.Client) -> None:
    data = update(served, 14)
    headers = {**upload_headers(served, data), "Content-Length": str(len(data)), "Connection": "close"}
    with connect(served) as connection:
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", headers) + data[:-1])
        checked(caller.get("/v1/status"), schemas.Status)
        connection.sendall(data[-1:])
        assert read_answer(connection).startswith(b"HTTP/1.1 201 Created")
