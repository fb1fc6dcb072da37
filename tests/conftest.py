"""What all tests share: each of the processes that run them draws ports of its own, and so do those that it starts."""

import os

from quorate.ports import FIRST, LAST, PORTS_VARIABLE

_count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_width = (LAST - FIRST) // _count
os.environ[PORTS_VARIABLE] = f"{FIRST + _worker * _width}-{FIRST + (_worker + 1) * _width - 1}"
