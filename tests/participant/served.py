"""Four real validators, each with its HTTP listener, in a loop of their own thread; and people who use them."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import torch

from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import ParticipantId
from ledger.tasks import PRIVACY_PLAIN, EqualWeights, FedAvg, Invitation, Mean, TaskSpec, TrimmedMean
from node.config import load
from node.keystore import KeyPurpose, create_key
from node.rest.app import create_app
from node.rest.server import RestServer
from participant.consortium import Consortium
from participant.operator import Operator
from participant.preparation import PreparedTask, prepare_task
from tests.network import InProcessNetwork, running_network

WAIT_SECONDS = 120.0
"""Far longer than anything takes."""
VALIDATORS = 4
NORM_MAX = 100 * 2**30


class Net(torch.nn.Module):
    """A model with every kind of tensor: trained, frozen, statistics, and a counter that stays at the site."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, 3)
        self.norm = torch.nn.BatchNorm1d(3)
        self.last = torch.nn.Linear(3, 2)
        self.last.bias.requires_grad = False

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.last(torch.relu(self.norm(self.first(inputs))))
        return outputs


def seeded_net(seed: int = 7) -> Net:
    torch.manual_seed(seed)
    return Net()


def trained(net: Net, *, by: float = 0.125) -> dict[str, torch.Tensor]:
    """Return a module's state dict after every float in it has moved."""
    return {name: value + by if value.is_floating_point() else value for name, value in net.state_dict().items()}


@dataclass(slots=True, kw_only=True)
class Served:
    """A running network: URLs of its nodes, its genesis file, and one enrolled site per member."""

    folder: Path
    urls: list[str]
    genesis: Path
    network: InProcessNetwork
    prepared: PreparedTask
    sites: list[Path] = field(default_factory=list)
    """Key file of each member's site."""
    numbers: list[ParticipantId] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def operator(
        self, member: int = 0, *, nodes: Sequence[str] | None = None, timeout: float = WAIT_SECONDS
    ) -> Operator:
        key = self.network.homes[member].key(KeyPurpose.OPERATOR)
        return Operator(nodes=nodes or self.urls, genesis=self.genesis, key=key, timeout=timeout)

    def consortium(
        self, site: int, state: Path, *, nodes: Sequence[str] | None = None, timeout: float = WAIT_SECONDS
    ) -> Consortium:
        """Return a site's way in; each test keeps its state in a folder of its own."""
        return Consortium(
            nodes=nodes or self.urls, genesis=self.genesis, key=self.sites[site], state=state, timeout=timeout
        )

    def spec(self, *, invited: Sequence[int] = (0,), rounds: int = 1, deadline_ms: int = 3_600_000) -> TaskSpec:
        """Return a task of a name that is new, for sites in ascending order; with four it tolerates a faulty one."""
        tolerant = len(invited) >= 4
        return TaskSpec(
            name=f"task-{next(self._names)}",
            layout=self.prepared.layout.digest,
            initial_model=sha256(self.prepared.model_data),
            source=ZERO_DIGEST,
            rule=TrimmedMean() if tolerant else Mean(),
            server=FedAvg(),
            weights=EqualWeights(),
            privacy=PRIVACY_PLAIN,
            faulty_max=1 if tolerant else 0,
            norm_max=NORM_MAX,
            invited=tuple(
                Invitation(participant=number, examples_max=1_000)
                for number in sorted(self.numbers[i] for i in invited)
            ),
            updates_min=3 if tolerant else 1,
            deadline_ms=deadline_ms,
            attempt_ms=600_000,
            committee_size=3,
            rounds_max=rounds,
            retain_rounds=100,
        )

    def register(self, spec: TaskSpec) -> str:
        """Register a task and return its name."""
        with self.operator() as operator:
            receipt = operator.register_task(spec)
        assert receipt.accepted, receipt.why()
        return spec.name

    def open_task(self, *, invited: Sequence[int] = (0,), rounds: int = 1, deadline_ms: int = 3_600_000) -> str:
        """Register a new task for some sites and return its name."""
        return self.register(self.spec(invited=invited, rounds=rounds, deadline_ms=deadline_ms))


@contextmanager
def served_network(folder: Path) -> Iterator[Served]:
    """Run a network in another thread until the block ends."""
    started: Future[tuple[InProcessNetwork, list[str]]] = Future()
    ending = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, started, ending)))
    thread.start()
    try:
        network, urls = started.result(WAIT_SECONDS)
        served = Served(
            folder=folder,
            urls=urls,
            genesis=folder / "genesis.json",
            network=network,
            prepared=prepare_task(seeded_net()),
        )
        _populate(served)
        yield served
    finally:
        ending.set()
        thread.join()


def _populate(served: Served) -> None:
    """Enrol a site for each member and record what tasks need."""
    for member in range(VALIDATORS):
        path = served.folder / f"site-{member}.key"
        public = create_key(path, KeyPurpose.PARTICIPANT).public
        with served.operator(member) as operator:
            receipt = operator.enrol("site", public)
        assert receipt.accepted, receipt.why()
        served.sites.append(path)
        served.numbers.append(ParticipantId(receipt.values[0]))
    with served.operator() as operator:
        operator.upload_blob(served.prepared.layout_data)
        operator.upload_blob(served.prepared.model_data, layout=served.prepared.layout.digest)


async def _serve(folder: Path, started: Future[tuple[InProcessNetwork, list[str]]], ending: threading.Event) -> None:
    try:
        async with running_network(folder, validators=VALIDATORS) as network:
            listeners, serving, urls = [], [], []
            for home, node in zip(network.homes, network.nodes, strict=True):
                configuration = load(home.configuration, environment={}).configuration
                app = create_app(node.api, configuration.rest, configuration.limits)
                listener = RestServer(app, configuration.rest)
                listeners.append(listener)
                serving.append(asyncio.ensure_future(listener.serve()))
                urls.append(f"http://{configuration.rest.listen}")
            started.set_result((network, urls))
            await asyncio.to_thread(ending.wait)
            await asyncio.gather(*(listener.stop() for listener in listeners))
            await asyncio.gather(*serving)
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
        raise
