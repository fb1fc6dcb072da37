"""One chain and one export of it for all tests of this folder; who changes the export works on a copy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.participant.served import served_network
from tests.quorate.commands import Commands
from tests.quorate.trained import TrainedChain, trained_chain
from tests.quorate.walk import Walk, walked


@pytest.fixture(scope="session")
def chain() -> TrainedChain:
    return trained_chain()


@pytest.fixture(scope="session")
def exported(chain: TrainedChain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the export; not to be changed."""
    return chain.export(tmp_path_factory.mktemp("exported") / "chain")


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the export, to be changed."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Return the command line, in an environment without settings of its own."""
    for name in ("QUORATE_NODE", "QUORATE_GENESIS", "QUORATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Commands()


@pytest.fixture(scope="package")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Return a task that was trained for two rounds on real nodes, by commands alone."""
    with served_network(tmp_path_factory.mktemp("served")) as running:
        yield walked(running, tmp_path_factory.mktemp("walk"))
