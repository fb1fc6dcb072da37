"""What all tests share: ports that do not meet, the order in which they begin, and which of them count as coverage."""

import os
from pathlib import Path

import pytest

from quorate.ports import FIRST, LAST, PORTS_VARIABLE

_count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_width = (LAST - FIRST) // _count
os.environ[PORTS_VARIABLE] = f"{FIRST + _worker * _width}-{FIRST + (_worker + 1) * _width - 1}"

TRACED = {"ledger", "consensus", "contracts", "aggregation"}
"""Folders whose tests count for the coverage of the packages of those names. Tracing doubles the time of a test, and a
line that a whole network or a simulated run happens to pass through is not tested by that."""
SHARED = {"walk", "served"}
"""Fixtures that start a network for a whole session: their tests stay in one process, which starts it once."""
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
    root = Path(__file__).parent
    places = {item: item.path.relative_to(root).as_posix() for item in items}
    for item, place in places.items():
        folder = place.partition("/")[0]
        if folder not in TRACED:
            item.add_marker(pytest.mark.no_cover)
        for fixture in SHARED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(f"{folder} {fixture}"))
        if item.get_closest_marker("processes"):
            item.add_marker(pytest.mark.xdist_group("processes"))
    items.sort(key=lambda item: _rank(places[item]))


def _rank(place: str) -> int:
    return next((rank for rank, start in enumerate(LONGEST) if place.startswith(start)), len(LONGEST))
