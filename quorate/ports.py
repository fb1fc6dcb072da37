"""Ports for trial networks on one machine."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below the range that outgoing connections are given: one of those could take a port before its validator does."""


def free_ports(count: int) -> list[int]:
    """Return ports that are free now on the loopback address."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randint(FIRST, LAST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found
