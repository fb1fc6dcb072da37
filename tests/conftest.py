"""What all tests share: ports that do not meet, the order in which they begin, and which of them count as coverage."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from coverage import Coverage

from quorate.ports import FIRST, LAST, PORTS_VARIABLE

_count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_width = (LAST - FIRST) // _count
os.environ[PORTS_VARIABLE] = f"{FIRST + _worker * _width}-{FIRST + (_worker + 1) * _width - 1}"

TRACED = {"ledger", "consensus", "contracts", "aggregation"}
"""Folders whose tests count for the coverage of the packages of those names. Tracing doubles the time of a test, and a
line that a whole network or a simulated run happens to pass through is not tested by that."""
ROOT = Path(__file__).parent
SHARED = {"walk", "served"}
"""Fixtures that start a network for a whole folder: their tests stay in one process, which starts it once."""
LONGEST = (
    "simulation/",
    "quorate/test_tampering.py",
    "ledger/test_state_tree.py",
    "ledger/test_nouns.py",
    "aggregation/test_aggregate.py",
)
"""What begins first, so that no process is left with a long test while the other one has nothing to do any more."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark and order what was collected.

    Tests of real validators wait for most of their time: one process runs them all, one after the other, beside tests
    that compute; the largest groups begin first.
    """
    places = {item: item.path.relative_to(ROOT).as_posix() for item in items}
    for item, place in places.items():
        folder = place.partition("/")[0]
        for fixture in SHARED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(f"{folder} {fixture}"))
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.xdist_group("processes"))
    items.sort(key=lambda item: _rank(places[item]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trace a test of TRACED only, with its fixtures.

    In a process of pytest-xdist two measurements run: pytest-cov begins one by the command line, whose result it drops,
    and another one with the session. Its mark `no_cover` ends the second, and the first goes on tracing.
    """
    stopped: list[Coverage] = []
    if item.path.relative_to(ROOT).parts[0] not in TRACED:
        while (measurement := Coverage.current()) is not None:
            measurement.stop()
            stopped.append(measurement)
    try:
        return (yield)
    finally:
        for measurement in reversed(stopped):
            measurement.start()


def _rank(place: str) -> int:
    return next((rank for rank, start in enumerate(LONGEST) if place.startswith(start)), len(LONGEST))
