"""The listeners: where they may listen, HTTPS, and how they stop."""

import asyncio
import datetime as dt
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ledger.encoding import encode
from ledger.errors import ConfigurationError
from ledger.hashing import sha256
from ledger.transactions import EnrolParticipant
from node.config import RestSection
from node.rest import schemas, server
from node.rest.server import HttpServer, RestServer
from quorate.ports import free_ports
from tests.consortium import signing_key
from tests.network import WAIT_SECONDS, signed
from tests.node.rest.blob_calls import head, is_here, read_answer, until_nothing_arrives, update, upload_headers
from tests.node.rest.served import Served, checked


@contextmanager
def rest_server(served: Served, section: RestSection) -> Iterator[tuple[RestServer, "asyncio.Task[None]"]]:
    """Run another RestServer over the first node; stopped at the end, if it was not before."""

    async def start() -> tuple[RestServer, asyncio.Task[None]]:
        listener = RestServer(app, section)
        return listener, asyncio.ensure_future(listener.serve())

    app = served.app(section=section)
    listener, serving = served.run(start())
    try:
        yield listener, serving
    finally:
        served.run(listener.stop())
        served.run(_ended(serving))


async def _ended(serving: "asyncio.Task[None]") -> None:
    await serving


def local(*, certificate: str = "", private_key: str = "") -> RestSection:
    return RestSection(listen=f"127.0.0.1:{free_ports(1)[0]}", certificate=certificate, private_key=private_key)


def connected(listener: RestServer) -> socket.socket:
    return socket.create_connection(listener.address, timeout=WAIT_SECONDS)


def make_certificate(folder: Path, *, password: bytes | None = None) -> tuple[Path, Path]:
    """Write a self-signed certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    files[1].write_bytes(key.private_bytes(*pem))
    files[1].chmod(0o600)
    return files


# --- where it may listen ---


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])  # noqa: S104 - that is what is refused
def test_other_than_loopback_needs_a_certificate(served: Served, host: str) -> None:
    port = free_ports(1)[0]
    with pytest.raises(ConfigurationError, match="a loopback address"):
        RestServer(served.app(), RestSection(listen=f"{host}:{port}"))
    socket.create_server(("127.0.0.1", port)).close()  # it is free again


def test_with_a_certificate_it_may_listen_anywhere(served: Served, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    section = RestSection(listen=f"0.0.0.0:{free_ports(1)[0]}", certificate=str(certificate), private_key=str(key))
    RestServer(served.app(), section).close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_every_name_of_loopback_will_do(served: Served, host: str) -> None:
    RestServer(served.app(), RestSection(listen=f"{host}:{free_ports(1)[0]}")).close()


def test_an_address_in_use_is_a_configuration_error(served: Served) -> None:
    with pytest.raises(ConfigurationError, match="a free address"):
        RestServer(served.app(), served.configuration.rest)


# --- HTTPS ---


def test_https_is_spoken_with_the_configured_certificate(served: Served, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with (
        rest_server(served, local(certificate=str(certificate), private_key=str(key))) as (listener, _),
        httpx.Client(base_url=f"https://localhost:{listener.address[1]}", verify=trusting) as caller,
    ):
        checked(caller.get("/v1/status"), schemas.Status)


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_a_key_of_https_that_others_may_read_is_refused(served: Served, tmp_path: Path, mode: int) -> None:
    certificate, key = make_certificate(tmp_path)
    key.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"rest\.private_key: expected 0600 .*, got {mode:04o}"):
        RestServer(served.app(), local(certificate=str(certificate), private_key=str(key)))


def test_https_refuses_what_is_older_than_tls_1_2(served: Served, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        rest_server(served, local(certificate=str(certificate), private_key=str(key))) as (listener, _),
        connected(listener) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(connection)


def test_a_certificate_needs_its_key_and_a_key_its_certificate(served: Served, tmp_path: Path) -> None:
    certificate, key = (str(file) for file in make_certificate(tmp_path))
    with pytest.raises(ConfigurationError, match=r"no rest\.private_key"):
        RestServer(served.app(), local(certificate=certificate))
    with pytest.raises(ConfigurationError, match=r"no rest\.certificate"):
        RestServer(served.app(), local(private_key=key))


def test_files_that_are_no_certificate_and_key_are_a_configuration_error(served: Served, tmp_path: Path) -> None:
    certificate, key = (str(file) for file in make_certificate(tmp_path))
    (tmp_path / "certificate.pem").chmod(0o600)
    other = tmp_path / "other"
    other.mkdir()
    _, another_key = (str(file) for file in make_certificate(other))
    locked = tmp_path / "locked"
    locked.mkdir()
    pairs = [
        (str(tmp_path / "none.pem"), key),
        (certificate, str(tmp_path / "none.pem")),
        (key, certificate),
        (certificate, another_key),
        tuple(str(file) for file in make_certificate(locked, password=b"secret")),
    ]
    for first, second in pairs:
        with pytest.raises(ConfigurationError, match="PEM files"):
            RestServer(served.app(), local(certificate=first, private_key=second))


# --- stopping ---


def test_a_server_that_never_served_gives_its_address_back(served: Served) -> None:
    section = local()

    async def make_and_stop() -> None:
        await RestServer(app, section).stop()

    app = served.app()
    served.run(make_and_stop())
    RestServer(served.app(), section).close()


def test_a_stopped_server_gives_its_address_back(served: Served) -> None:
    section = local()
    for _ in range(2):
        with rest_server(served, section) as (listener, _), connected(listener) as connection:
            connection.sendall(head("GET", "/livez", {"Connection": "close"}))
            assert read_answer(connection).startswith(b"HTTP/1.1 200 OK")


def test_held_calls_answer_when_it_stops(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    node = served.network.nodes[0]
    monkeypatch.setattr(node._gossip, "_poke", lambda: None)
    monkeypatch.setattr(node._gossip, "_broadcast", lambda _: None)
    monkeypatch.setattr(node.loop, "poke", lambda: None)
    body = EnrolParticipant(organisation="org-0", name="held", key=signing_key("held").public)
    raw = encode(signed(served.network.operator(0), body, served.network.genesis))
    with rest_server(served, local()) as (listener, _), connected(listener) as connection:
        fields = {"Content-Type": "application/msgpack", "Content-Length": str(len(raw))}
        connection.sendall(head("POST", "/v1/transactions?wait=30000", fields) + raw)

        async def until_it_waits() -> None:
            async with asyncio.timeout(WAIT_SECONDS):
                while not served.api._waiters:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0)

        served.run(until_it_waits())
        served.run(listener.stop())
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 202 Accepted")
    assert b'"status":"pending"' in answer
    assert not served.api._waiters


def test_a_request_under_way_may_finish_while_it_stops(served: Served) -> None:
    data = update(served, 400)
    with rest_server(served, local()) as (listener, _), connected(listener) as connection:
        fields = {**upload_headers(served, data), "Content-Length": str(len(data)), "Expect": "100-continue"}
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", fields))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        stopping = asyncio.run_coroutine_threadsafe(listener.stop(), served.loop)
        connection.sendall(data)
        checked_answer = read_answer(connection)
        stopping.result(WAIT_SECONDS)
    assert checked_answer.startswith(b"HTTP/1.1 201 Created")
    assert is_here(served, data)


def test_a_request_that_does_not_finish_is_ended_and_leaves_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STOP_SECONDS", 0.05)
    data = update(served, 401)
    with rest_server(served, local()) as (listener, serving), connected(listener) as connection:
        fields = {**upload_headers(served, data), "Content-Length": str(len(data)), "Expect": "100-continue"}
        connection.sendall(head("PUT", f"/v1/blobs/{sha256(data).hex()}", fields))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        served.run(listener.stop())
        assert serving.done()
    until_nothing_arrives(served)
    assert not is_here(served, data)


def test_signals_stay_with_the_process() -> None:
    async def hello(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("hello")(scope, receive, send)

    async def scenario() -> object:
        listener = HttpServer(hello, ("127.0.0.1", 0), connections_max=4, tls=None)
        serving = asyncio.ensure_future(listener.serve())
        host, port = listener.address
        async with httpx.AsyncClient() as caller:
            assert (await caller.get(f"http://{host}:{port}/")).text == "hello"
        during = signal.getsignal(signal.SIGTERM)
        await listener.stop()
        await serving
        return during

    before = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(scenario()) == before == signal.getsignal(signal.SIGTERM)
