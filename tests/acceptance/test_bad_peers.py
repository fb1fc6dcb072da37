"""The peer port: strangers, and a validator's own key in bad hands; each is turned away with its reason in the log."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.encoding import PROTOCOL_VERSION, encode
from node.transport.frames import LENGTH_BYTES, join_frames
from node.transport.handshake import Hello, LinkPurpose
from tests.acceptance.network import Network
from tests.acceptance.processes import PATIENCE_SECONDS, until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.usefixtures("unharmed"),
]

TARGET, TRAITOR = 0, 3
"""Validators by number: whose port is attacked, and whose key the attacker has where it has one."""


@contextmanager
def connected(network: Network) -> Iterator[socket.socket]:
    """Connect to the peer port."""
    host, _, port = network.validators[TARGET].descriptor.link_address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        yield connection


@contextmanager
def secured(network: Network, connection: socket.socket, *, certificate: bool = True) -> Iterator[ssl.SSLSocket]:
    """Speak TLS on a connection, by default with the traitor's key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(network.validators[TRAITOR].home / "keys" / "link.pem")
    with context.wrap_socket(connection) as tls:
        yield tls


def wait_closed(connection: socket.socket) -> None:
    """Read until the other end has closed, however it does."""
    try:
        while connection.recv(65_536):
            pass
    except OSError:
        pass


def hello(network: Network) -> bytes:
    """Return the frame that a link begins with."""
    greeting = encode((network.genesis.chain_id, PROTOCOL_VERSION))
    return join_frames([encode(Hello(purpose=LinkPurpose.MESSAGES, greeting=greeting))])


def attack(network: Network, data: bytes, *, tls: bool, certificate: bool = True, ending: bool = False) -> str:
    """Connect and send bytes; wait until the other end has closed, or close first; return the address it saw."""
    with connected(network) as connection:
        host, port = connection.getsockname()
        if tls:
            with secured(network, connection, certificate=certificate) as channel:
                _send(channel, data, ending=ending)
        else:
            _send(connection, data, ending=ending)
    return f"{host}:{port}"


def _send(channel: socket.socket, data: bytes, *, ending: bool) -> None:
    channel.sendall(data)
    if ending:
        channel.shutdown(socket.SHUT_WR)
    wait_closed(channel)


def reason(network: Network, event: str, code: str, again: Callable[[], str]) -> str:
    """Attack until the log says why by a code, since each attacker gets one line a second; return the reason."""
    addresses: set[str] = set()

    def look() -> list[dict[str, Any]]:
        addresses.add(again())
        return [line for line in network.validators[TARGET].lines(event) if line["address"] in addresses]

    line = until(look, event)[-1]
    assert line["code"] == code
    return str(line["error"])


STRANGERS: dict[str, tuple[bytes, bool, str]] = {
    "garbage": (b"\xff" * 4_096, False, "expected TLS 1.3 between recorded certificates, got"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", False, "expected TLS 1.3 between recorded certificates, got"),
    "no certificate": (b"", True, "expected TLS 1.3 between recorded certificates, got"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_a_stranger_is_turned_away(network: Network, case: str) -> None:
    data, tls, why = STRANGERS[case]
    assert why in reason(
        network, "incoming-refused", "link-refused", lambda: attack(network, data, tls=tls, certificate=False)
    )


def test_garbage_instead_of_a_hello_is_refused(network: Network) -> None:
    data = join_frames([b"\xc1" * 64])
    found = reason(network, "incoming-refused", "link-protocol-broken", lambda: attack(network, data, tls=True))
    assert f"hello of validator {TRAITOR}: expected a purpose and a greeting, got" in found


def test_a_greeting_for_another_chain_is_refused(network: Network) -> None:
    data = join_frames([encode(Hello(purpose=LinkPurpose.MESSAGES, greeting=encode((bytes(32), PROTOCOL_VERSION))))])
    found = reason(network, "incoming-refused", "other-chain", lambda: attack(network, data, tls=True))
    assert f"greeting of validator {TRAITOR}: expected {encode((network.genesis.chain_id, 1)).hex()}, got" in found


def test_half_a_hello_is_refused(network: Network) -> None:
    data = hello(network)[:-10]
    found = reason(network, "incoming-refused", "truncated-frame", lambda: attack(network, data, tls=True, ending=True))
    assert (
        f"frame: expected {len(data) + 10 - LENGTH_BYTES} bytes, got the end after {len(data) - LENGTH_BYTES}" in found
    )


def test_half_a_frame_ends_the_link(network: Network) -> None:
    data = hello(network) + (1_000).to_bytes(LENGTH_BYTES, "big") + bytes(500)
    found = reason(network, "incoming-down", "truncated-frame", lambda: attack(network, data, tls=True, ending=True))
    assert "frame: expected 1000 bytes, got the end after 500" in found


def test_a_frame_over_the_limit_ends_the_link_unread(network: Network) -> None:
    data = hello(network) + (2**32 - 1).to_bytes(LENGTH_BYTES, "big")
    found = reason(network, "incoming-down", "frame-too-large", lambda: attack(network, data, tls=True))
    assert f"frame: expected at most {16 * 2**20} bytes, got {2**32 - 1} bytes" in found


def test_a_frame_of_garbage_is_a_violation_of_the_protocol(network: Network) -> None:
    target = network.validators[TARGET]
    known = len(target.lines("protocol-violation"))
    with connected(network) as connection, secured(network, connection) as channel:
        channel.sendall(hello(network) + join_frames([b"\xc1" * 64]))
        line = until(lambda: target.lines("protocol-violation")[known:], "the violation")[0]
    assert (line["peer"], line["code"]) == (TRAITOR, "protocol-violation")
    assert "expected its canonical form, got other bytes" in line["error"]
