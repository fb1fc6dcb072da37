"""What a validator takes while it idles, measured on a real process."""

import pytest

from tests.acceptance.network import Network

pytestmark = [pytest.mark.processes]

RESIDENT_BYTES_MAX = 120_000_000


def test_an_idle_validator_is_small_and_has_no_tensors(network: Network) -> None:
    for found in network.footprints:
        if found is None:
            pytest.skip("this system has no /proc")
        assert found.resident_bytes < RESIDENT_BYTES_MAX
        assert any("/plyvel/" in file for file in found.mapped), "the files of its libraries must be among those seen"
        assert [file for file in found.mapped if "torch" in file or "/numpy" in file] == []
