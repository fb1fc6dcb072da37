"""Bad uploads over the wire: each refused by its own code before or after it was read, and nothing of it kept."""

import json
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from urllib.parse import urlsplit

import numpy as np
import pytest

from aggregation.fixed_point import UPDATE_MAGNITUDE_MAX
from ledger.hashing import Digest, sha256
from tests.acceptance.caller import OCTETS
from tests.acceptance.network import Network
from tests.acceptance.processes import PATIENCE_SECONDS, until
from tests.acceptance.refusals import refused
from tests.acceptance.training import LAYOUT, new_update

pytestmark = [
    pytest.mark.processes,
    pytest.mark.usefixtures("unharmed"),
]


def ticket(network: Network, data: bytes) -> dict[str, str]:
    """Return the headers of a site's upload."""
    return network.callers[0].ticket(network.sites[0].key, data, layout=LAYOUT.digest)


def is_unknown(network: Network, blob: Digest) -> None:
    """Show that no validator has a blob, and that the chain knows nothing of it."""
    for caller, validator in zip(network.callers, network.validators, strict=True):
        refused(caller.read_blob(validator.operator_key(), blob), "blob-not-found", status=404)
        refused(caller.http.get(f"/v1/blobs/{blob.hex()}/record"), "not-found", status=404)


def longer_padding(data: bytes) -> bytes:
    """Return the same tensors behind a header with needless spaces."""
    length = int.from_bytes(data[:8], "little")
    return (length + 8).to_bytes(8, "little") + data[8 : 8 + length] + b" " * 8 + data[8 + length :]


def doubled_key(data: bytes) -> bytes:
    """Return the same data behind a header that names a tensor twice."""
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].rstrip()
    first = header[1:-1].partition(b"},")[0] + b"},"
    doubled = b"{" + first + header[1:]
    doubled += b" " * (-len(doubled) % 8)
    return len(doubled).to_bytes(8, "little") + doubled + data[8 + length :]


def as_floats(data: bytes, *, tensors: int) -> bytes:
    """Return a file whose last tensors hold floats, off any grid: both element types are four bytes wide."""
    length = int.from_bytes(data[:8], "little")
    head, elements = data[: 8 + length], len(json.loads(data[8 : 8 + length])["z"]["shape"])
    head = head[::-1].replace(b"I32"[::-1], b"F32"[::-1], tensors)[::-1]
    floats = np.full(elements, 0.3, np.float32).tobytes()
    return head + data[8 + length : -len(floats)] + floats


FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another shape": (lambda data: data.replace(b'"shape":[4,3]', b'"shape":[3,4]'), "layout-mismatch"),
    "another name": (lambda data: data.replace(b'"w"', b'"v"'), "layout-mismatch"),
    "floats in one tensor": (lambda data: as_floats(data, tensors=1), "layout-mismatch"),
    "floats, off the grid": (lambda data: as_floats(data, tensors=2), "unknown-blob"),
    "out of range": (lambda data: data[:-4] + (UPDATE_MAGNITUDE_MAX + 1).to_bytes(4, "little"), "value-out-of-range"),
    "longer padding": (longer_padding, "blob-not-canonical"),
    "a key twice": (doubled_key, "blob-not-canonical"),
    "bytes at the end": (lambda data: data + bytes(4), "blob-not-canonical"),
    "cut": (lambda data: data[:-4], "blob-not-canonical"),
    "no file of ours": (lambda data: b"\x80\x04" + data, "unknown-blob"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_and_not_kept(network: Network, case: str) -> None:
    spoil, code = FILES[case]
    honest = new_update()
    data = spoil(honest)
    assert data != honest
    refused(network.callers[0].put(data, ticket(network, data)), code, status=422)
    is_unknown(network, sha256(data))


def test_bytes_that_differ_from_their_digest_are_refused(network: Network) -> None:
    named, sent = new_update(), new_update()
    found = refused(
        network.callers[0].put(sent, ticket(network, named), blob=sha256(named)), "blob-mismatch", status=422
    )
    assert (found["expected"], found["got"]) == (sha256(named).hex(), sha256(sent).hex())
    for blob in (sha256(named), sha256(sent)):
        is_unknown(network, blob)


def test_an_upload_of_another_size_than_its_ticket_is_refused(network: Network) -> None:
    named = new_update()
    response = network.callers[0].put(named + bytes(8), ticket(network, named), blob=sha256(named))
    refused(response, "ticket-mismatch", status=422)
    is_unknown(network, sha256(named))


def test_a_digest_header_of_something_else_is_refused(network: Network) -> None:
    data = new_update()
    wrong = {"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}
    refused(network.callers[0].put(data, {**ticket(network, data), **wrong}), "blob-mismatch", status=422)
    is_unknown(network, sha256(data))


def test_an_upload_that_says_that_it_is_json_is_refused(network: Network) -> None:
    data = new_update()
    headers = {**ticket(network, data), "Content-Type": "application/json"}
    refused(network.callers[0].put(data, headers), "unsupported-media-type", status=415)


def test_an_upload_without_a_ticket_is_refused(network: Network) -> None:
    data = new_update()
    refused(network.callers[0].put(data, {"Content-Type": OCTETS}), "authorization-required", status=401)
    is_unknown(network, sha256(data))


def begin_upload(network: Network, data: bytes, *, length: int) -> socket.socket:
    """Send the head of an upload that announces so many bytes, and return the connection."""
    address = urlsplit(network.validators[0].url)
    headers = {**ticket(network, data), "Content-Length": str(length)}
    lines = [f"PUT /v1/blobs/{sha256(data).hex()} HTTP/1.1", "Host: node", *(f"{k}: {v}" for k, v in headers.items())]
    connection = socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS)
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def test_an_oversized_upload_is_refused_before_any_of_it_is_read(network: Network) -> None:
    with begin_upload(network, new_update(), length=2**40) as connection:
        answer = HTTPResponse(connection)
        answer.begin()
        document = json.load(answer)
    assert (answer.status, document["code"], document["got"]) == (413, "too-large", f"{2**40} bytes")


def test_half_an_upload_leaves_nothing(network: Network) -> None:
    data = new_update()
    with begin_upload(network, data, length=len(data)) as connection:
        connection.sendall(data[: len(data) // 2])
    arriving = network.validators[0].home / "data" / "blobs" / "incoming"
    until(lambda: not list(arriving.iterdir()), "nothing arriving")
    is_unknown(network, sha256(data))
