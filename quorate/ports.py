"""Ports for trial networks on one machine."""

import os
import random
import socket
from collections import deque

FIRST, LAST = 20_000, 32_000
"""Below the range that outgoing connections are given: one of those could take a port before its validator does."""


PORTS_VARIABLE = "QUORATE_PORTS"
"""`FIRST-LAST` in the environment: another range, where several who draw would else draw from the same one."""
_given: deque[int] = deque(maxlen=200)
"""Ports that this process gave out last: free perhaps, but meant for somebody who does not listen yet."""


def free_ports(count: int) -> list[int]:
    """Return ports that are free now on the loopback address, other ones at each call."""
    first, last = _range()
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randint(first, last)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in _given:
            _given.append(port)
            found.append(port)
    return found


def _range() -> tuple[int, int]:
    first, _, last = os.environ.get(PORTS_VARIABLE, f"{FIRST}-{LAST}").partition("-")
    return int(first), int(last)
