"""Reads of blobs: who may, whole or in part, and that no file stays open."""

import base64
import random

import httpx
import pytest

from ledger.blobs import ReadRequest, SignedReadRequest
from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import Height
from node.rest import http_protocol
from node.rest.media import OCTETS
from tests.consortium import consortium, signing_key
from tests.node.rest.blob_calls import (
    connect,
    head,
    open_blob_files,
    put,
    read_answer,
    read_headers,
    read_request,
    statement,
    until_closed,
    update,
    upload_headers,
)
from tests.node.rest.served import Served, refused
from tests.node.runtime.sites import LAYOUT

LAYOUT_BYTES = encode(LAYOUT)
LARGE_BYTES = 24 * 2**20
"""More than sockets buffer."""


def layout_headers(served: Served, **more: str) -> dict[str, str]:
    return read_headers(served, served.sites.keys[0], served.sites.layout, **more)


def read_layout(served: Served, caller: httpx.Client, **more: str) -> httpx.Response:
    return caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=layout_headers(served, **more))


@pytest.fixture(scope="package")
def large(served: Served) -> Digest:
    """Return a large blob that only validators may read."""
    data = random.Random(0).randbytes(LARGE_BYTES)

    async def store() -> None:
        author = served.sites.keys[0].public
        blobs = served.api._blobs.store
        with blobs.begin(sha256(data), len(data), author=author, expires=Height(5_000)) as incoming:
            incoming.write(data)
            incoming.finish()

    served.run(store())
    return sha256(data)


def large_headers(served: Served, large: Digest, **more: str) -> dict[str, str]:
    return read_headers(served, served.network.nodes[1].member.service_key, large, **more)


def test_a_blob_comes_whole_with_its_digest(served: Served, caller: httpx.Client) -> None:
    response = read_layout(served, caller)
    assert (response.status_code, response.content) == (200, LAYOUT_BYTES)
    assert response.headers["content-type"] == OCTETS
    assert response.headers["content-length"] == str(len(LAYOUT_BYTES))
    assert response.headers["etag"] == f'"{served.sites.layout.hex()}"'
    assert response.headers["content-digest"] == f"sha-256=:{base64.b64encode(served.sites.layout).decode()}:"
    assert response.headers["accept-ranges"] == "bytes"
    assert int(response.headers["quorate-height"]) > 0
    until_closed(served)


def test_a_large_blob_comes_whole(served: Served, caller: httpx.Client, large: Digest) -> None:
    response = caller.get(f"/v1/blobs/{large.hex()}", headers=large_headers(served, large))
    assert sha256(response.content) == large
    until_closed(served)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=3-7", 3, 8),
        ("bytes=5-", 5, None),
        ("bytes=-4", -4, None),
        ("bytes=0-999999", 0, None),
        ("bytes=-999999", 0, None),
        ("Bytes = 1-2", 1, 3),
    ],
)
def test_a_range_comes_alone(served: Served, caller: httpx.Client, asked: str, start: int, end: int | None) -> None:
    response = read_layout(served, caller, Range=asked)
    assert (response.status_code, response.content) == (206, LAYOUT_BYTES[start:end])
    first = start % len(LAYOUT_BYTES)
    total = len(LAYOUT_BYTES)
    assert response.headers["content-range"] == f"bytes {first}-{first + len(response.content) - 1}/{total}"
    assert response.headers["repr-digest"] == f"sha-256=:{base64.b64encode(served.sites.layout).decode()}:"
    assert "content-digest" not in response.headers
    until_closed(served)


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=-", "bytes=5-2", "bytes=a-b", "lines=1-2", "0-1", "bytes=1"])
def test_what_is_no_single_range_gets_all(served: Served, caller: httpx.Client, asked: str) -> None:
    response = read_layout(served, caller, Range=asked)
    assert (response.status_code, response.content) == (200, LAYOUT_BYTES)


@pytest.mark.parametrize("asked", [f"bytes={len(LAYOUT_BYTES)}-", "bytes=999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(served: Served, caller: httpx.Client, asked: str) -> None:
    response = read_layout(served, caller, Range=asked)
    refused(response, "range-not-satisfiable", status=416)
    assert response.headers["content-range"] == f"bytes */{len(LAYOUT_BYTES)}"
    until_closed(served)


def test_if_range_of_this_blob_keeps_the_range_and_another_drops_it(served: Served, caller: httpx.Client) -> None:
    tag = f'"{served.sites.layout.hex()}"'
    assert read_layout(served, caller, Range="bytes=0-0", **{"If-Range": tag}).status_code == 206
    assert read_layout(served, caller, Range="bytes=0-0", **{"If-Range": '"other"'}).status_code == 200


@pytest.mark.parametrize("field", ['"{tag}"', 'W/"{tag}"', '"other", "{tag}"', "*"])
def test_a_blob_is_not_sent_to_whom_has_it(served: Served, caller: httpx.Client, field: str) -> None:
    known = field.format(tag=served.sites.layout.hex())
    response = read_layout(served, caller, **{"If-None-Match": known})
    assert (response.status_code, response.content) == (304, b"")
    until_closed(served)


def test_if_none_match_tells_nothing_to_whom_may_not_read(served: Served, caller: httpx.Client) -> None:
    headers = read_headers(served, signing_key("x"), served.sites.layout, **{"If-None-Match": "*"})
    refused(caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers), "not-authorised", status=403)


def test_head_tells_size_and_tag_without_a_byte(served: Served, caller: httpx.Client, large: Digest) -> None:
    response = caller.head(f"/v1/blobs/{large.hex()}", headers=large_headers(served, large))
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(LARGE_BYTES)
    until_closed(served)


@pytest.mark.parametrize("authorization", [None, "", "Quorate", "Basic dXNlcjpwYXNz", "Bearer x"])
def test_a_read_without_a_signed_request_is_unauthorised(
    served: Served, caller: httpx.Client, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers)
    refused(response, "authorization-required", status=401)
    assert response.headers["www-authenticate"] == "Quorate"


def test_the_scheme_is_read_in_any_case(served: Served, caller: httpx.Client) -> None:
    headers = layout_headers(served)
    headers["Authorization"] = headers["Authorization"].replace("Quorate", "quorate")
    assert caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers).status_code == 200


@pytest.mark.parametrize("text", ["***", "a", "kgE", "A" * 3_000])
def test_a_request_that_is_none_is_refused(served: Served, caller: httpx.Client, text: str) -> None:
    headers = {"Authorization": f"Quorate {text}"}
    refused(caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers), "malformed-encoding", status=400)


def test_a_request_for_another_blob_is_refused(served: Served, caller: httpx.Client) -> None:
    headers = read_headers(served, served.sites.keys[0], sha256(b"other"))
    refused(caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers), "not-authorised", status=403)


@pytest.mark.parametrize("expires", [1, 10**9])
def test_an_expired_request_or_one_valid_for_too_long_is_refused(
    served: Served, caller: httpx.Client, expires: int
) -> None:
    request = read_request(served, served.sites.keys[0], served.sites.layout, expires=expires)
    headers = {"Authorization": f"Quorate {statement(request)}"}
    refused(caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers), "input", status=422)


def test_a_request_of_another_chain_is_refused(served: Served, caller: httpx.Client) -> None:
    key = served.sites.keys[0]
    chain_id = consortium().genesis.chain_id
    request = ReadRequest(chain_id=chain_id, author=key.public, blob=served.sites.layout, expires=Height(5_000))
    headers = {"Authorization": f"Quorate {statement(SignedReadRequest.sign(request, key))}"}
    refused(caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers), "wrong-chain", status=422)


def test_a_forged_request_is_refused(served: Served, caller: httpx.Client) -> None:
    true = read_request(served, served.sites.keys[0], served.sites.layout)
    other = read_request(served, signing_key("x"), served.sites.layout)
    forged = SignedReadRequest(request=true.request, signature=other.signature)
    headers = {"Authorization": f"Quorate {statement(forged)}"}
    refused(caller.get(f"/v1/blobs/{served.sites.layout.hex()}", headers=headers), "invalid-signature", status=403)


def test_a_blob_that_is_not_here_is_not_found(served: Served, caller: httpx.Client) -> None:
    missing = sha256(b"missing")
    headers = read_headers(served, served.sites.keys[0], missing)
    refused(caller.get(f"/v1/blobs/{missing.hex()}", headers=headers), "blob-not-found", status=404)


def test_an_update_is_read_by_validators_and_after_its_round_by_operators(served: Served, caller: httpx.Client) -> None:
    closed, fresh = served.sites.update(0, 1), update(served, 200)
    assert put(caller, fresh, upload_headers(served, fresh)).status_code == 201
    keys = {
        "participant": served.sites.keys[1],
        "operator": served.network.operator(1),
        "validator": served.network.nodes[1].member.service_key,
    }
    seen = {}
    for data in (closed, fresh):
        for role, key in keys.items():
            response = caller.get(f"/v1/blobs/{sha256(data).hex()}", headers=read_headers(served, key, sha256(data)))
            seen[role, data == closed] = response.status_code
    assert seen == {
        ("participant", True): 403,
        ("operator", True): 200,
        ("validator", True): 200,
        ("participant", False): 403,
        ("operator", False): 403,
        ("validator", False): 200,
    }


def test_a_caller_that_goes_away_leaves_no_file_open(served: Served, large: Digest) -> None:
    with connect(served) as connection:
        connection.sendall(head("GET", f"/v1/blobs/{large.hex()}", large_headers(served, large)))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert open_blob_files()
    until_closed(served)


def test_a_caller_that_stops_reading_is_given_up(
    served: Served, large: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "STALL_SECONDS", 0.05)
    with connect(served) as connection:
        connection.sendall(head("GET", f"/v1/blobs/{large.hex()}", large_headers(served, large)))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        until_closed(served)


def test_a_caller_that_reads_slowly_gets_it_all(served: Served, caller: httpx.Client, large: Digest) -> None:
    with connect(served) as connection:
        fields = large_headers(served, large, Connection="close")
        connection.sendall(head("GET", f"/v1/blobs/{large.hex()}", fields))
        begun = connection.recv(100)
        for _ in range(30):  # the node has other things to do meanwhile, and the sockets fill up
            caller.get("/livez")
        _, _, body = (begun + read_answer(connection)).partition(b"\r\n\r\n")
    assert sha256(body) == large
