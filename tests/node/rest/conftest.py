"""One network for all tests of this folder that only read, or whose writes do not meet."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.node.rest.served import Served, served_network


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_network(tmp_path_factory.mktemp("network")) as running:
        yield running


@pytest.fixture
def caller(served: Served) -> Iterator[httpx.Client]:
    with served.caller() as calling:
        yield calling


@pytest.fixture(scope="package")
def document(served: Served) -> dict[str, Any]:
    with served.caller() as calling:
        response = calling.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found
