"""Ports for trial networks on one machine."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below the range that outgoing connections are given: one of those could take a port before its validator does."""


_given: set[int] = set()
"""Ports that this process has given out: free, but meant for somebody who does not listen yet."""


def free_ports(count: int) -> list[int]:
    """Return ports that are free now on the loopback address, other ones at each call."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randint(FIRST, LAST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in _given:
            _given.add(port)
            found.append(port)
    return found
