"""A trial network of real processes: up, one killed and back, all down; and the commands that do it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from quorate.errors import ProcessFailed
from quorate.local_network import LocalNetwork
from tests.acceptance.processes import until
from tests.quorate.commands import Commands

ORGANISATIONS = ("org-0", "org-1", "org-2", "org-3")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[LocalNetwork]:
    """Return a network that does not run yet; whatever runs in the end is stopped."""
    made = LocalNetwork.create(tmp_path / "net", organisations=ORGANISATIONS, trainers=["site-0"], chain="trial")
    yield made
    made.stop_all()


def test_a_network_is_made_of_homes_with_one_genesis(network: LocalNetwork) -> None:
    genesis = Genesis(network.genesis.read_bytes())
    assert (genesis.document.chain, genesis.chain_id.hex()) == ("trial", network.chain_id())
    assert [member.organisation for member in genesis.document.organisations] == [*ORGANISATIONS, "site-0"]
    assert network.urls == [descriptor.rest_url for descriptor in genesis.descriptors.values()]
    assert not any(network.is_running(place) for place in range(4))


def test_a_network_is_read_from_its_folder(network: LocalNetwork) -> None:
    again = LocalNetwork.open(network.folder)
    assert (again.urls, again.members, again.genesis) == (network.urls, network.members, network.genesis)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(ConfigurationError, match="new or empty"):
        LocalNetwork.create(tmp_path, organisations=ORGANISATIONS, chain="trial")


@pytest.mark.parametrize("content", ["", "{}", '{"format":"other","chain":"a","members":[]}'])
def test_a_folder_that_is_no_network_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "network.json").write_text(content)
    with pytest.raises(ConfigurationError):
        LocalNetwork.open(tmp_path)


def test_a_validator_that_ends_at_once_is_told_of_with_its_log(network: LocalNetwork) -> None:
    network.home(0).configuration.write_text("[timing]\nview_msec = 1\n")
    network.start(0)
    with pytest.raises(ProcessFailed, match="did you mean view_ms"):
        network.wait_ready(0)


@pytest.mark.processes
def test_validators_run_survive_a_kill_and_stop(network: LocalNetwork) -> None:
    for place in range(4):
        network.start(place)
    for place in range(4):
        network.wait_ready(place)
    assert [(it.name, it.ready) for it in network.status()] == [(name, True) for name in ORGANISATIONS]
    assert {network.home(place).genesis.read_bytes() for place in range(4)} == {network.genesis.read_bytes()}
    first = network.members[3].process
    network.kill(3)
    assert [it.ready for it in network.status()] == [True, True, True, False]
    network.start(3)
    network.wait_ready(3)
    assert network.members[3].process != first
    network.stop_all()
    assert not any(it.process for it in network.status())


@pytest.mark.processes
def test_the_commands_bring_a_network_up_and_down(commands: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    try:
        up = commands.data("network", "up", "--dir", folder)
        assert [it["ready"] for it in up["validators"]] == [True] * 4
        numbers = [it["process"] for it in up["validators"]]
        recorded = json.loads((folder / "network.json").read_text())["members"]
        assert [member["process"] for member in recorded] == numbers
        assert all(os.getsid(number) == number for number in numbers)

        told = commands("network", "up", "--dir", folder).err.splitlines()[-1]
        assert told == f"next: export QUORATE_NODE={up['validators'][0]['url']} QUORATE_GENESIS={folder}/genesis.json"
        again = commands.data("network", "up", "--dir", folder)
        assert [it["process"] for it in again["validators"]] == numbers, "what runs is left alone"
        url = up["validators"][0]["url"]
        until(lambda: commands("status", "--node", url).code == 0, "a validator that is well")
        status = commands.data("status", "--node", url)
        assert (status["chain_id"], status["validators"]) == (up["chain_id"], 4)
        until(lambda: commands("network", "status", "--dir", folder).code == 0, "four that are well")
    finally:
        down = commands("network", "down", "--dir", folder, "--format", "json")
    assert [it["process"] for it in down.envelope["data"]["validators"]] == [None] * 4
    assert commands("network", "status", "--dir", folder).code == 1


def test_down_needs_a_network(commands: Commands, tmp_path: Path) -> None:
    assert commands("network", "down", "--dir", tmp_path).code == 2
