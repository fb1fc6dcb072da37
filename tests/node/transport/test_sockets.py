"""Addresses and sockets."""

import platform
import socket
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ConfigurationError
from node.transport.sockets import RTO_MAX, Address, format_address, listening_socket, parse_address, tune

HOSTS = st.one_of(
    st.from_regex(r"\A[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?\Z"),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)


@settings(deadline=None, max_examples=100)
@given(HOSTS, st.integers(1, 2**16 - 1))
def test_an_address_is_read_as_it_was_written(host: str, port: int) -> None:
    assert parse_address(format_address((host, port))) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":7400", "host:port", "host:0", "host:65536", "host:-1", "host:٣", "::1:7400", "[]:7400"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected host:port"):
        parse_address(text)


def test_a_listening_socket_takes_a_free_port() -> None:
    with listening_socket(("127.0.0.1", 0)) as first, listening_socket(("127.0.0.1", 0)) as second:
        assert 0 < first.getsockname()[1] != second.getsockname()[1] > 0


def taken() -> Address:
    """Return an address of nobody's: documentation only (RFC 5737)."""
    return ("192.0.2.1", 7400)


def test_an_address_of_another_host_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"listening at 192\.0\.2\.1:7400"):
        listening_socket(taken())


def test_a_port_in_use_is_refused() -> None:
    with listening_socket(("127.0.0.1", 0)) as first, pytest.raises(ConfigurationError, match="in use"):
        listening_socket(first.getsockname())


def test_a_link_sends_at_once_and_notices_hosts_that_vanish() -> None:
    with socket.socket() as link:
        tune(link)
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def _is_new_linux() -> bool:
    return sys.platform == "linux" and tuple(map(int, platform.release().split(".")[:2])) >= (6, 15)


@pytest.mark.skipif(not _is_new_linux(), reason="TCP_RTO_MAX_MS is of Linux 6.15")
def test_a_network_that_is_whole_again_is_noticed_within_a_second() -> None:
    with socket.socket() as link:
        tune(link)
        assert link.getsockopt(socket.IPPROTO_TCP, RTO_MAX[0]) == RTO_MAX[1] == 1_000


def test_accepted_connections_send_at_once() -> None:
    with listening_socket(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
