"""Link certificates are made once a module: a key and a certificate for each validator."""

import pytest

from tests.node.transport.credentials import Members, members


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return members(tmp_path_factory.mktemp("credentials"))
