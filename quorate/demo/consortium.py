"""Setting the scene: four validators as processes, six hospitals enrolled, one task registered."""

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
from participant.consortium import Consortium
from participant.operator import Operator
from participant.preparation import prepare_task
from quorate.demo.hospitals import RUNNING, SHARES, TRAINING_ONLY, Patients, load, new_model
from quorate.demo.script import (
    ATTEMPT_MS,
    CHAIN,
    COMMITTEE,
    DEADLINE_MS,
    FAULTY_MAX,
    NORM_MAX,
    ROUNDS,
    TASK,
    UPDATES_MIN,
)
from quorate.demo.stage import Stage
from quorate.local_network import LocalNetwork

NORM_UNIT = 2**30


@dataclass(slots=True)
class Scene:
    """Everything that the story happens to."""

    folder: Path
    network: LocalNetwork
    shares: dict[str, Patients]
    test: Patients
    numbers: dict[str, ParticipantId] = field(default_factory=dict)
    """Registry number of each hospital."""

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

    def site(self, hospital: str, *, first: int) -> Consortium:
        """Return a hospital's way in, which asks validator `first` before the others."""
        start = first % len(self.urls)
        nodes = self.urls[start:] + self.urls[:start]
        return Consortium(nodes=nodes, genesis=self.network.genesis, key=self.key(hospital))

    def get(self, path: str, *, node: int) -> dict[str, Any]:
        """Ask one validator over REST."""
        answer = httpx.get(self.urls[node] + path, timeout=5.0)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def place(self, validator: int) -> int:
        """Return the place among the members of a validator's registry number: both follow the names' order."""
        return validator


def set_scene(folder: Path, stage: Stage) -> Scene:
    """Make homes, keys and genesis, by what four hosts would do, and start the validators."""
    stage.scene("Four hospitals run a validator each, two only train")
    network = LocalNetwork.create(folder / "network", organisations=RUNNING, trainers=TRAINING_ONLY, chain=CHAIN)
    for name in RUNNING:
        stage.say(f"{name}: quorate node init (own keys, a signed descriptor)")
    for name in TRAINING_ONLY:
        stage.say(f"{name}: quorate organisation init (an operator key)")
    stage.say(f"quorate genesis assemble: chain {network.chain_id()[:16]}..., the digest members read to each other")
    shares, test = load()
    return Scene(folder=folder, network=network, shares=shares, test=test)


def start_validators(scene: Scene, stage: Stage) -> None:
    """Start the processes; they come up while something else is done."""
    for place in range(len(RUNNING)):
        scene.network.start(place)
    running = [member.process for member in scene.network.members[: len(RUNNING)]]
    stage.say(f"four processes started: {', '.join(map(str, running))}; each with TLS links, LevelDB, REST of its own")


def wait_for_validators(scene: Scene, stage: Stage) -> None:
    """Return once all are ready for callers."""
    for place in range(len(RUNNING)):
        scene.network.wait_ready(place)
    stage.say("all four are ready")


def enrol_hospitals(scene: Scene, stage: Stage) -> None:
    """Give each hospital's training site a key and a registry number, by its operator's transaction."""
    stage.scene("Six hospitals enrol a training site")
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
