"""Four real processes over REST alone: finality, proofs, a killed primary, its return, a drain, and equal chains."""

import pytest

from aggregation.aggregate import Input, Recipe, aggregate
from aggregation.layouts import decode_layout
from ledger.blobs import Fate
from ledger.encoding import decode, encode
from ledger.entries import Accepted
from ledger.hashing import sha256
from ledger.quantities import ParticipantId, RoundNumber
from ledger.records import TaskRecord
from tests.acceptance.network import Network
from tests.acceptance.story import Story, digest_of

pytestmark = [pytest.mark.processes]


def test_updates_became_final_with_proofs_from_the_genesis_file_alone(story: Story) -> None:
    assert [[type(receipt.verdict) for receipt in of_round] for of_round in story.updates] == [[Accepted] * 4] * 2


def test_every_invited_participant_has_one_fate(network: Network, story: Story) -> None:
    everybody = {site.number: Fate.USED for site in network.sites}
    assert [network.fates(story.task, number) for number in (1, 2)] == [everybody] * 2


def test_the_others_changed_view_when_the_primary_was_killed_and_went_on(story: Story) -> None:
    assert story.view_after > story.view_killed
    assert story.view_after > 0
    assert story.primary_after != story.killed
    assert all(receipt.height > story.height_killed for receipt in story.updates[1][2:])
    assert story.models[1].height > story.height_killed


def test_the_killed_validator_caught_up_to_the_same_bytes(story: Story) -> None:
    own, others = story.caught_up
    assert own == others


def test_the_killed_validator_votes_again(story: Story) -> None:
    assert len(story.certified_by) == 3
    assert story.killed in story.certified_by


def test_a_validator_that_is_told_to_end_exits_with_zero(story: Story) -> None:
    assert story.leave_code == 0


def test_sigterm_answers_held_calls_and_loses_nothing(story: Story) -> None:
    assert (story.drain_answer.status_code, story.drain_answer.json()["status"]) == (202, "pending")
    assert story.drain_codes == (0, 0, 0)
    assert isinstance(story.settled.verdict, Accepted)


def test_the_newest_global_model_is_the_proven_one(network: Network, story: Story) -> None:
    for caller in network.callers:
        _, value = caller.proven(f"/v1/tasks/{story.task.name}")
        assert value is not None
        task = decode(value, TaskRecord)
        assert (task.version, task.model) == (2, story.models[1].model)
        latest = caller.json(f"/v1/tasks/{story.task.name}/models/latest")
        assert digest_of(latest["model"]) == story.models[1].model


@pytest.mark.parametrize("number", [1, 2])
def test_every_validator_serves_the_global_model_and_an_auditor_recomputes_it(
    network: Network, story: Story, number: int
) -> None:
    operator, record = network.operator(), story.models[number - 1]
    for caller in network.callers:
        model, view, report = (caller.fetch(operator, it) for it in (record.model, record.view, record.report))
        written: list[bytes] = []
        outcome = aggregate(_recipe(network, story, number, node=network.callers.index(caller)), written.append)
        assert b"".join(written) == model
        assert (outcome.report, outcome.model_facts.view) == (report, sha256(view))


def test_blocks_receipts_and_state_are_equal_on_all_four(network: Network, story: Story) -> None:
    height = min(caller.status()["height"] for caller in network.callers)
    assert height >= story.settled.height
    for place in range(height + 1):
        blocks = [caller.certified(place).block for caller in network.callers]
        assert len({encode(block) for block in blocks}) == 1
        entries = [caller.json(f"/v1/blocks/{place}")["entries"] for caller in network.callers]
        assert entries[1:] == entries[:1] * 3
    for caller in network.callers:
        status = caller.status()
        assert caller.certified(status["height"]).block.header.state_root.hex() == status["state_root"]


@pytest.mark.usefixtures("story")
def test_nothing_went_wrong_inside_the_validators(network: Network) -> None:
    assert [validator.errors() for validator in network.validators] == [[]] * 4


def _recipe(network: Network, story: Story, number: int, *, node: int) -> Recipe:
    """Return what a round's model was made of, read from one validator and checked against the chain."""
    caller, operator, record = network.callers[node], network.operator(), story.models[number - 1]
    inputs = []
    for who, did in caller.json(f"/v1/tasks/{story.task.name}/rounds/{number}")["participations"].items():
        blob = digest_of(did["blob"])
        data = caller.fetch(operator, blob)
        inputs.append(Input(participant=ParticipantId(int(who)), weight=did["weight"], blob=blob, buffer=data))
    return Recipe(
        task=story.task,
        round=RoundNumber(number),
        layout=decode_layout(caller.fetch(operator, story.task.layout)),
        base=record.base,
        base_buffer=caller.fetch(operator, record.base),
        inputs=inputs,
    )
