"""Training sites for network tests: a tiny model, updates drawn from a seed, a registered task."""

from dataclasses import dataclass

import numpy as np

from aggregation.deltas import encode_delta
from aggregation.layouts import TensorTraits, infer_layout
from aggregation.model_file import import_model
from aggregation.update_file import encode_update
from contracts import queries
from ledger.encoding import encode
from ledger.entries import Accepted, Verdict
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.keys import SigningKey
from ledger.quantities import ParticipantId, RoundNumber
from ledger.tasks import PRIVACY_PLAIN, EqualWeights, FedAvg, Invitation, Layout, TaskSpec, TrimmedMean
from ledger.transactions import EnrolParticipant, RegisterTask, SubmitUpdate
from tests.consortium import signing_key
from tests.network import InProcessNetwork

TASK = "cardio"
LAYOUT = infer_layout(
    {
        "w": TensorTraits(shape=(5, 3), is_float=True, is_buffer=False),
        "mean": TensorTraits(shape=(3,), is_float=True, is_buffer=True),
    }
)
START = {"w": np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3), "mean": np.zeros(3, np.float32)}


@dataclass(slots=True)
class Sites:
    """Enrolled participants of a network, and one task for all of them."""

    network: InProcessNetwork
    keys: list[SigningKey]
    numbers: list[ParticipantId]
    layout: Digest
    model: Digest
    """That the task begins with."""

    def update(self, site: int, number: int) -> bytes:
        """Return a site's update file for a round."""
        drawn = np.random.default_rng([site, number])
        trained = {name: values + drawn.normal(size=values.shape) * 0.1 for name, values in START.items()}
        row, _ = encode_delta(LAYOUT, START, trained)
        return encode_update(LAYOUT, row)

    async def take_part(self, site: int, number: int, *, node: int = 0) -> Verdict:
        """Upload a site's update to one node, submit it to the next, and return the verdict."""
        key = self.keys[site]
        blob = await self.network.upload(key, self.update(site, number), layout=self.layout, node=node)
        record = queries.round_record(self.network.nodes[node].chain.state, TASK, RoundNumber(number))
        assert record is not None
        body = SubmitUpdate(task=TASK, round=RoundNumber(number), base=record.base, blob=blob, examples=10)
        return (await self.network.submit(key, body, node=node)).receipt.verdict


async def open_task(network: InProcessNetwork, *, rounds: int, deadline_ms: int = 600_000) -> Sites:
    """Enrol one site per member, record layout and model, and register a task with b = 1."""
    operator = network.operator(0)
    layout = await network.upload(operator, encode(LAYOUT))
    model = await network.upload(operator, import_model(Layout(tensors=LAYOUT.tensors), START), layout=layout)
    keys = [signing_key(f"site of member {number}") for number in range(len(network.homes))]
    numbers = []
    for number, home in enumerate(network.homes):
        body = EnrolParticipant(organisation=home.path.name, name="site", key=keys[number].public)
        verdict = (await network.submit(network.operator(number), body)).receipt.verdict
        assert isinstance(verdict, Accepted)
        numbers.append(ParticipantId(verdict.values[0]))
    spec = TaskSpec(
        name=TASK,
        layout=layout,
        initial_model=model,
        source=ZERO_DIGEST,
        rule=TrimmedMean(),
        server=FedAvg(),
        weights=EqualWeights(),
        privacy=PRIVACY_PLAIN,
        faulty_max=1,
        norm_max=100 * 2**30,
        invited=tuple(Invitation(participant=who, examples_max=100) for who in sorted(numbers)),
        updates_min=3,
        deadline_ms=deadline_ms,
        attempt_ms=600_000,
        committee_size=3,
        rounds_max=rounds,
        retain_rounds=100,
    )
    verdict = (await network.submit(operator, RegisterTask(task=spec))).receipt.verdict
    assert isinstance(verdict, Accepted), verdict
    return Sites(network=network, keys=keys, numbers=numbers, layout=layout, model=model)
