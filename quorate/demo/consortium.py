"""Setting the scene: four validators as processes, six hospitals enrolled, one task registered."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ledger.entries import Accepted
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.keys import SigningKey
from ledger.quantities import ParticipantId
from ledger.tasks import PRIVACY_PLAIN, EqualWeights, FedAvg, Invitation, TaskSpec, TrimmedMean
from node.keystore import KeyPurpose, create_key
from participant.operator import Operator
from participant.preparation import prepare_task
from quorate.demo.command_line import run_commands
from quorate.demo.hospitals import RUNNING, SHARES, TRAINING_ONLY, Patients, load, new_model
from quorate.demo.script import (
    ATTEMPT_MS,
    CHAIN,
    COMMITTEE,
    DEADLINE_MS,
    FAULTY_MAX,
    NORM_MAX,
    PATIENCE_SECONDS,
    ROUNDS,
    TASK,
    UPDATES_MIN,
)
from quorate.demo.stage import Stage
from quorate.errors import ProcessFailed
from quorate.local_network import LocalNetwork
from quorate.ports import free_ports

NORM_UNIT = 2**30
PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class Scene:
    """Everything that the story happens to."""

    folder: Path
    network: LocalNetwork
    shares: dict[str, Patients]
    test: Patients
    numbers: dict[str, ParticipantId] = field(default_factory=dict)
    """Registry number of each hospital."""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=5.0))
    """One for all questions: a new one reads all trusted certificates first."""

    @property
    def urls(self) -> list[str]:
        """REST address of each validator."""
        return self.network.urls

    def key(self, hospital: str) -> Path:
        """Key file of a hospital's training site."""
        return self.folder / "sites" / f"{hospital}.key"

    def operator_key(self, hospital: str) -> Path:
        """Operator key file of a member."""
        names = [member.name for member in self.network.members]
        return self.network.home(names.index(hospital)).key(KeyPurpose.OPERATOR)

    def get(self, path: str, *, node: int) -> dict[str, Any]:
        """Ask one validator over REST."""
        answer = self.http.get(self.urls[node] + path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def set_scene(folder: Path, stage: Stage) -> Scene:
    """Make homes, keys and genesis by the very commands that each host would type."""
    stage.scene("Four hospitals run a validator each, two only train")
    place = folder / "network"
    place.mkdir(parents=True)
    commands = []
    for name, (link, rest, metrics) in zip(RUNNING, _addresses(len(RUNNING)), strict=True):
        ports = ["--link", link, "--rest", rest, "--metrics", metrics]
        commands.append(["node", "init", "--home", name, "--organisation", name, *ports])
    commands += [["organisation", "init", "--home", name, "--name", name] for name in TRAINING_ONLY]
    run_commands(commands, folder=place)
    descriptors = [f"{name}/descriptor.json" for name in (*RUNNING, *TRAINING_ONLY)]
    assemble = ["genesis", "assemble", *descriptors, "--chain", CHAIN]
    run_commands([assemble], folder=place)
    for command in [*commands, assemble]:
        stage.say(f"quorate {' '.join(command)}")
    network = LocalNetwork.of_homes(place)
    stage.say(f"each member reads the chain id to the others: {network.chain_id()}")
    shares, test = load()
    return Scene(folder=folder, network=network, shares=shares, test=test)


def _addresses(count: int) -> Iterator[tuple[str, str, str]]:
    """Yield the addresses of each validator: links, callers, metrics."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(3 * count)]
    return zip(*[iter(addresses)] * 3, strict=True)


def start_validators(scene: Scene, stage: Stage) -> None:
    """Start the processes; they come up while something else is done."""
    for place in range(len(RUNNING)):
        scene.network.start(place)
    running = [member.process for member in scene.network.members[: len(RUNNING)]]
    stage.say(f"quorate node start: processes {', '.join(map(str, running))}, with TLS links, LevelDB and REST each")


def wait_for_validators(scene: Scene, stage: Stage) -> None:
    """Return once all are ready for callers."""
    for place in range(len(RUNNING)):
        scene.network.wait_ready(place)
    stage.say("all four are ready")


def enrol_hospitals(scene: Scene, stage: Stage) -> None:
    """Give each hospital's training site a key and a registry number, by its operator's transaction."""
    stage.scene("Six hospitals enrol a training site")
    patients = sum(map(len, scene.shares.values())) + len(scene.test)
    stage.say(f"scikit-learn's breast cancer data: {patients} real patients, dealt out unequally and by diagnosis")
    for place, hospital in enumerate(SHARES):
        key: SigningKey = create_key(scene.key(hospital), KeyPurpose.PARTICIPANT)
        with _operator(scene, hospital, place) as operator:
            receipt = operator.enrol("site", key.public)
        assert receipt.accepted, receipt.why()
        scene.numbers[hospital] = ParticipantId(Accepted(values=receipt.values).values[0])
        share = scene.shares[hospital]
        benign = round(100 * float(share.y.float().mean()))
        stage.say(f"participant {scene.numbers[hospital]}  {hospital:<11} {len(share):>3} patients, {benign} % benign")
    stage.say(f"{len(scene.test)} patients stay outside, to test on")


def register_task(scene: Scene, stage: Stage) -> None:
    """Record layout and initial model, then register what everybody is to train."""
    stage.scene("The consortium agrees on a task")
    prepared = prepare_task(new_model())
    with _operator(scene, RUNNING[0], 0) as operator:
        operator.upload_blob(prepared.layout_data)
        operator.upload_blob(prepared.model_data, layout=prepared.layout.digest)
        spec = TaskSpec(
            name=TASK,
            layout=prepared.layout.digest,
            initial_model=sha256(prepared.model_data),
            source=ZERO_DIGEST,
            rule=TrimmedMean(),
            server=FedAvg(),
            weights=EqualWeights(),
            privacy=PRIVACY_PLAIN,
            faulty_max=FAULTY_MAX,
            norm_max=int(NORM_MAX * NORM_UNIT),
            invited=tuple(
                Invitation(participant=number, examples_max=len(scene.shares[hospital]))
                for hospital, number in sorted(scene.numbers.items(), key=lambda item: item[1])
            ),
            updates_min=UPDATES_MIN,
            deadline_ms=DEADLINE_MS,
            attempt_ms=ATTEMPT_MS,
            committee_size=COMMITTEE,
            rounds_max=ROUNDS,
            retain_rounds=ROUNDS,
        )
        receipt = operator.register_task(spec)
    assert receipt.accepted, receipt.why()
    stage.say(f"layout, initial model and task {TASK} are on chain, by transaction, in block {receipt.height}")
    stage.say(
        f"trimmed mean with b = {FAULTY_MAX}, norm at most {NORM_MAX}, rounds of {DEADLINE_MS / 1000:g} s, "
        f"committee of {COMMITTEE}, two equal attestations decide"
    )


def _operator(scene: Scene, hospital: str, first: int) -> Operator:
    start = first % len(scene.urls)
    nodes = scene.urls[start:] + scene.urls[:start]
    return Operator(nodes=nodes, genesis=scene.network.genesis, key=scene.operator_key(hospital))


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to become true, asking nodes; raises ProcessFailed once patience has run out."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > end:
            raise ProcessFailed("demo", expected=f"{what} within {PATIENCE_SECONDS:g} s", got="nothing of the kind")
        time.sleep(PAUSE_SECONDS)
