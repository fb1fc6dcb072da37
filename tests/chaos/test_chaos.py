"""A short slice of `make chaos`: a few faults of processes, disk and network, with clients submitting throughout."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.faults import Fault, Kind
from tests.chaos.links import Network, best_network
from tests.chaos.runs import Outcome, attack

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

SEED = 3
ON_PROCESSES = [
    Fault(kind=Kind.KILL_ALL, victims=(), seconds=0.5),
    Fault(kind=Kind.FULL_DISK, victims=(1,), seconds=0.5, seed=SEED),
]
ON_NETWORK = [
    Fault(kind=Kind.ISOLATE_PRIMARY, victims=(), seconds=2.0),
]


@pytest.fixture
def network() -> Iterator[Network]:
    found = best_network(4, SEED)
    yield found
    found.close()


@pytest.fixture
def cluster(tmp_path: Path, network: Network) -> Iterator[Cluster]:
    with running_cluster(tmp_path, network, count=4) as running:
        yield running


def test_nothing_acknowledged_is_lost_doubled_or_out_of_order(cluster: Cluster) -> None:
    faults = ON_PROCESSES + (ON_NETWORK if cluster.network.can_fail else [])
    outcome = Outcome()
    attack(cluster, outcome, faults, client_count=3, pause_seconds=0.1, seed=SEED, tell=lambda _: None)
    assert [it.fault for it in outcome.injected] == faults
    assert outcome.history.acknowledged
    assert outcome.compared is not None
