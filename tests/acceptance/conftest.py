"""One network for all tests of this folder, one story played on it, and proof after each test that it is unharmed."""

from collections.abc import Iterator

import pytest

from ledger.encoding import encode
from tests.acceptance.network import Network, running_network
from tests.acceptance.story import Story, play


@pytest.fixture(scope="package")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("acceptance")) as running:
        yield running


@pytest.fixture(scope="package")
def story(network: Network) -> Story:
    return play(network)


@pytest.fixture
def unharmed(network: Network) -> Iterator[None]:
    """Show that a test stopped no node and met no bug, and that nothing committed before it is lost or changed."""
    processes = [validator.pid for validator in network.validators]
    errors = [validator.errors() for validator in network.validators]
    height = network.callers[0].status()["height"]
    before = encode(network.callers[0].block(height))  # its header commits to every block and entry before it
    yield
    assert all(validator.is_running for validator in network.validators)
    assert [validator.pid for validator in network.validators] == processes
    assert [validator.errors() for validator in network.validators] == errors
    assert [encode(caller.block(height)) for caller in network.callers] == [before] * 4
    assert [caller.http.get("/livez").status_code for caller in network.callers] == [200] * 4
