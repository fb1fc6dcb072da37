"""The duty to aggregate at one node: what is tried again, and what cannot end otherwise."""

import asyncio
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from structlog.testing import capture_logs

from aggregation.model_file import import_model
from aggregation.update_file import encode_update
from ledger import state_keys
from ledger.encoding import encode
from ledger.hashing import sha256
from ledger.quantities import Height, ModelVersion, ParticipantId, RoundNumber, TimeMs
from ledger.records import ParticipationRecord, RoundRecord, RoundStatus
from ledger.tasks import Mean
from node.config import LimitsSection
from node.runtime.committee import CommitteeDuty
from tests.network import WAIT_SECONDS
from tests.node.runtime.bench import ME, Bench, bench, running_task
from tests.node.runtime.sites import LAYOUT, START
from tests.vectors.ledger_nouns import SPEC

TASK = "cardio"
AT_BOUND = import_model(LAYOUT, {"w": np.full((5, 3), 2.0**20, np.float32), "mean": START["mean"]})
WITHIN = import_model(LAYOUT, START)
UPDATE = encode_update(LAYOUT, {tensor.name: np.ones(tensor.elements, np.int32) for tensor in LAYOUT.tensors})


def close_round(made: Bench, number: int, *, base: bytes) -> None:
    """Let a round of one update be closed, with this validator alone in its committee."""
    spec = replace(SPEC, name=TASK, layout=made.add(encode(LAYOUT)), rule=Mean(), faulty_max=0)
    made.put_state(state_keys.task(TASK), replace(running_task(TASK, number=number, retain=8), spec=spec))
    made.put_state(
        state_keys.participation(TASK, RoundNumber(number), ParticipantId(1)),
        ParticipationRecord(blob=sha256(UPDATE), examples=10, weight=10),
    )
    record = RoundRecord(
        task=TASK,
        round=RoundNumber(number),
        status=RoundStatus.CLOSED,
        base=made.add(base),
        base_version=ModelVersion(0),
        invited=spec.invited,
        opened_height=Height(0),
        opened_time=TimeMs(0),
        deadline=TimeMs(1),
        accepted=1,
        inputs_root=sha256(b"inputs"),
        committee=(ME,),
        attempt=1,
    )
    made.put_state(state_keys.round_(TASK, RoundNumber(number)), record)


def duty_of(made: Bench) -> CommitteeDuty:
    return CommitteeDuty(blobs=made.blobs, holding=made.holding, outbox=made.outbox, tasks=made.tasks)


async def looked(duty: CommitteeDuty) -> list[tuple[str, str]]:
    """Let the duty look once; return how what it began has failed."""
    with capture_logs() as written:
        duty.look()
        begun = [task for task in asyncio.all_tasks() if task.get_name().startswith("aggregate")]
        await asyncio.wait_for(asyncio.gather(*begun), WAIT_SECONDS)
    return [(line["event"], line["code"]) for line in written]


def test_a_result_that_cannot_be_is_computed_once_a_round(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.add(UPDATE)
            duty = duty_of(made)
            close_round(made, 1, base=AT_BOUND)
            assert await looked(duty) == [("duty-failed", "global-model-overflow")]
            assert await looked(duty) == []
            close_round(made, 2, base=AT_BOUND)
            assert await looked(duty) == [("duty-failed", "global-model-overflow")]
            assert await looked(duty) == []

    asyncio.run(scenario())


def test_a_round_whose_input_is_missing_is_tried_until_the_input_is_here(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as made:
            duty = duty_of(made)
            close_round(made, 1, base=WITHIN)
            for _ in range(2):
                assert await looked(duty) == [("duty-failed", "undecidable")]
            made.add(UPDATE)
            duty.look()
            await made.outbox.spoken()  # the output is announced, so that others hold it

    asyncio.run(scenario())


def test_a_result_without_room_is_tried_until_there_is_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        needed = len(encode(LAYOUT)) + len(UPDATE) + len(WITHIN)
        ballast = bytes(64 * 2**10)
        size = needed + len(ballast)
        limits = LimitsSection(blob_bytes_max=size, author_bytes_max=size, storage_bytes_max=size)
        async with bench(tmp_path, limits=limits) as made:
            duty = duty_of(made)
            close_round(made, 1, base=WITHIN)
            made.add(UPDATE)
            made.add(ballast)
            for _ in range(2):
                assert await looked(duty) == [("duty-failed", "storage-full")]
            assert made.store.bytes_total == size
            assert list(made.scratch.iterdir()) == []
            made.store.delete(sha256(ballast))
            duty.look()
            await made.outbox.spoken()

    asyncio.run(scenario())
