"""One network for all tests of this folder that only read, or whose writes do not meet."""

from collections.abc import Iterator

import httpx
import pytest

from tests.node.rest.served import Served, served_network


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_network(tmp_path_factory.mktemp("network")) as running:
        yield running


@pytest.fixture
def caller(served: Served) -> Iterator[httpx.Client]:
    with served.caller() as calling:
        yield calling
