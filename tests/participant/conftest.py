"""One network for all tests of this folder: each test registers a task of its own."""

from collections.abc import Iterator

import pytest

from tests.participant.served import Served, served_network


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_network(tmp_path_factory.mktemp("participant")) as running:
        yield running


@pytest.fixture(scope="module")
def task(served: Served) -> str:
    """Return a task that nobody submits to."""
    return served.open_task(invited=(0, 1))
