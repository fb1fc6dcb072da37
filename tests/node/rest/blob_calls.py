"""What callers of the blob routes send: statements in headers, raw requests, and a look at what the node holds open."""

import base64
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from ledger.blobs import ReadRequest, SignedReadRequest
from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Height
from tests.network import WAIT_SECONDS, ticket
from tests.node.rest.served import Served

OCTETS = "application/octet-stream"


def statement(noun: object) -> str:
    """Return a signed noun as headers carry it."""
    return base64.urlsafe_b64encode(encode(noun)).rstrip(b"=").decode()


def update(served: Served, number: int, *, site: int = 0) -> bytes:
    """Return an update file that no other test uses."""
    return served.sites.update(site, 1_000 + number)


def upload_headers(served: Served, data: bytes, **more: str) -> dict[str, str]:
    """Return the headers of an upload by the first site."""
    leave = ticket(served.sites.keys[0], data, served.network.genesis, layout=served.sites.layout)
    return {"Content-Type": OCTETS, "Quorate-Ticket": statement(leave), **more}


def put(
    caller: httpx.Client, data: bytes, headers: dict[str, str], *, name: bytes | None = None, wait: int = 0, **more: Any
) -> httpx.Response:
    """Upload bytes under the digest of `name`, by default their own."""
    path = f"/v1/blobs/{sha256(data if name is None else name).hex()}"
    return caller.put(path, content=data, headers=headers, params={"wait": wait} if wait else {}, **more)


def read_request(served: Served, key: SigningKey, blob: Digest, *, expires: int = 5_000) -> SignedReadRequest:
    request = ReadRequest(
        chain_id=served.network.genesis.chain_id, author=key.public, blob=blob, expires=Height(expires)
    )
    return SignedReadRequest.sign(request, key)


def read_headers(served: Served, key: SigningKey, blob: Digest, **more: str) -> dict[str, str]:
    """Return the headers of a read."""
    return {"Authorization": f"Quorate {statement(read_request(served, key, blob))}", **more}


def connect(served: Served) -> socket.socket:
    """Return a connection to the first node's listener."""
    host, _, port = served.configuration.rest.listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_SECONDS)


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    """Return a request's head as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: node", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_answer(connection: socket.socket) -> bytes:
    """Return all that comes until the other end closes."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def read_one_answer(connection: socket.socket) -> bytes:
    """Return the next answer, which must say how long it is; the connection stays open."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    length = next(line for line in received.split(b"\r\n") if line.startswith(b"content-length: "))
    missing = int(length.partition(b": ")[2])
    while missing:
        chunk = connection.recv(missing)
        assert chunk
        received += chunk
        missing -= len(chunk)
    return received


def open_blob_files() -> list[str]:
    """Return the blob files that this process holds open."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(str(descriptor.readlink()))
    return [link for link in links if "/org-0/data/blobs/" in link]


def until_closed(served: Served) -> None:
    """Wait until the first node has closed every blob file."""
    _until(served, lambda: not open_blob_files())


def until_something_arrives(served: Served) -> None:
    """Wait until the first node has an upload under way."""
    _until(served, lambda: bool(served.api._blobs.store._arriving))


def until_nothing_arrives(served: Served) -> None:
    """Wait until the first node has no upload under way; nothing of one may be left then."""
    _until(served, lambda: not served.api._blobs.store._arriving)
    assert not list((served.network.homes[0].data / "blobs" / "incoming").iterdir())


def _until(served: Served, condition: Callable[[], bool]) -> None:
    async def look() -> bool:
        return condition()

    end = time.monotonic() + WAIT_SECONDS
    while not served.run(look()):
        assert time.monotonic() < end


def is_here(served: Served, data: bytes) -> bool:
    """Return whether the first node stores a blob."""

    async def look() -> bool:
        return served.api.has_blob(sha256(data))

    return served.run(look())
