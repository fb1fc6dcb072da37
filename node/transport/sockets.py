"""Addresses and TCP sockets of links."""

import contextlib
import socket
import sys

from ledger.errors import ConfigurationError

Address = tuple[str, int]
"""Host name or IP address, and port."""

BACKLOG = 128
"""Connections that wait to be accepted: every validator and a good many strangers may come at once."""

KEEPALIVE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 10_000))
"""A peer whose host vanished is given up after some ten seconds, idle (s, s, probes) or not (ms), and dialled again;
where the system can."""

RTO_MAX = (44, 1_000)
"""TCP_RTO_MAX_MS, which Python does not name: longest wait before bytes that nobody confirmed are sent again.

By itself TCP doubles that wait, so that a network that was cut for 20 s and is whole again stays silent for up to 20 s
more (measured: 9.8 s, and 1.0 s with this). Linux 6.15; elsewhere links that were cut for long are dialled anew."""


def parse_address(text: str) -> Address:
    """Read `host:port` or `[IPv6]:port`; raises ConfigurationError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ConfigurationError("address", expected="host:port, or [IPv6]:port", got=text)
    return host, int(port)


def format_address(address: Address) -> str:
    """Write an address as `parse_address` reads it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_socket(address: Address) -> socket.socket:
    """Bind and listen; port 0 takes a free one. Raises ConfigurationError.

    Accepted connections send at once: asyncio sees to that only for sockets whose protocol number is set, which
    `create_server` leaves at zero, and an answer in two writes then waits 40 ms for the caller's acknowledgement.
    """
    try:
        family, *_, found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(found[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"listening at {format_address(address)}", expected="a free address of this host", got=error
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def tune(link: socket.socket) -> None:
    """Send at once (no Nagle), and notice hosts that vanished."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            link.setsockopt(socket.IPPROTO_TCP, option, value)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # an older kernel
            link.setsockopt(socket.IPPROTO_TCP, *RTO_MAX)
