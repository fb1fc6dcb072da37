"""Who may read an update: by what the chain records of it, whatever this node has come to know."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import state_keys
from ledger.blobs import ModelFacts, ReadRequest, UpdateFacts
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height, ParticipantId, RoundNumber
from ledger.records import BlobRecord, KeyRecord, KeyRole, ParticipationRecord, RoundRecord, RoundStatus
from node.errors import NotAuthorised
from node.runtime.reading import ReadRights
from node.storage.chain_store import ChainStore
from tests.consortium import signing_key
from tests.node.runtime.bench import Bench, bench, running_task
from tests.vectors.ledger_nouns import FACTS

PARTICIPANT = signing_key("participant")
UPDATE_FACTS = next(facts for facts in FACTS if isinstance(facts, UpdateFacts))
MODEL_FACTS = next(facts for facts in FACTS if isinstance(facts, ModelFacts))
TASK = "cardio"
RECORDED = Height(15)


def recorded(made: Bench, data: bytes, facts: UpdateFacts | ModelFacts = UPDATE_FACTS) -> Digest:
    """Store a blob that was recorded before this node had examined it."""
    digest = made.add(data)
    made.store.set_recorded(digest)
    made.put_state(state_keys.blob(digest), BlobRecord(size=len(data), facts=facts, recorded=RECORDED))
    return digest


def had_rounds(made: Bench, closed: list[int], *, took: dict[int, Digest]) -> None:
    """Let a task have closed rounds at these heights, and one open round after them."""
    made.put_state(state_keys.task(TASK), running_task(TASK, number=len(closed) + 1, retain=100))
    for number, height in enumerate([*closed, None], start=1):
        record = RoundRecord(
            task=TASK,
            round=RoundNumber(number),
            status=RoundStatus.OPEN if height is None else RoundStatus.DECIDED,
            base=Digest(bytes(32)),
            base_version=0,  # type: ignore[arg-type]
            invited=(),
            opened_height=Height(1),
            opened_time=1,  # type: ignore[arg-type]
            deadline=2,  # type: ignore[arg-type]
            closed_height=None if height is None else Height(height),
        )
        made.put_state(state_keys.round_(TASK, RoundNumber(number)), record)
    for number, blob in took.items():
        key = state_keys.participation(TASK, RoundNumber(number), ParticipantId(1))
        made.put_state(key, ParticipationRecord(blob=blob))


def may_read(made: Bench, key: SigningKey, digest: Digest, *, expires: int = 5) -> bool:
    chain = ChainStore(made.kv, made.members.genesis)
    enrolled = KeyRecord(role=KeyRole.PARTICIPANT, organisation="org-00", subject=1)
    made.put_state(state_keys.key(PARTICIPANT.public), enrolled)
    request = ReadRequest(
        chain_id=made.members.genesis.chain_id, author=key.public, blob=digest, expires=Height(expires)
    )
    try:
        ReadRights(chain, made.store).check(request)
    except NotAuthorised:
        return False
    return True


def everyone(made: Bench, digest: Digest) -> dict[str, bool]:
    """Return who may read a blob."""
    keys = {
        "validator": made.members.services[made.members.genesis.validators.ids[1]],
        "operator": made.members.operators["org-01"],
        "participant": PARTICIPANT,
        "stranger": signing_key("stranger"),
    }
    return {who: may_read(made, key, digest) for who, key in keys.items()}


def run(folder: Path, check: Callable[[Bench], None]) -> None:
    async def scenario() -> None:
        async with bench(folder) as made:
            check(made)

    asyncio.run(scenario())


VALIDATORS = {"validator": True, "operator": False, "participant": False, "stranger": False}
AUDITORS = VALIDATORS | {"operator": True}
MEMBERS = AUDITORS | {"participant": True}


def test_an_update_that_was_recorded_before_this_node_examined_it_is_an_update(tmp_path: Path) -> None:
    run(tmp_path, lambda made: same(everyone(made, recorded(made, b"update")), VALIDATORS))


def test_what_is_neither_recorded_nor_examined_counts_as_an_update(tmp_path: Path) -> None:
    run(tmp_path, lambda made: same(everyone(made, made.add(b"anything")), VALIDATORS))


def test_a_model_is_for_members_examined_here_or_not(tmp_path: Path) -> None:
    run(tmp_path, lambda made: same(everyone(made, recorded(made, b"model", MODEL_FACTS)), MEMBERS))


def test_the_view_of_a_recorded_model_is_for_members(tmp_path: Path) -> None:
    def check(made: Bench) -> None:
        view = made.add(b"view")
        made.store.set_recorded(view)
        assert everyone(made, view) == MEMBERS

    run(tmp_path, check)


@pytest.mark.parametrize(
    ("closed", "took", "readers"),
    [
        ([10, 20, 30], {2: "update"}, AUDITORS),
        ([10, 20, 30], {3: "update"}, AUDITORS),
        ([15], {1: "update"}, AUDITORS),
        ([10, 20, 30], {4: "update"}, VALIDATORS),
        ([10, 20, 30], {2: "update", 4: "update"}, VALIDATORS),
        ([10, 20, 30], {2: "other", 4: "other"}, VALIDATORS),
        ([], {}, VALIDATORS),
    ],
)
def test_operators_read_what_closed_rounds_accepted_and_no_open_one(
    tmp_path: Path, closed: list[int], took: dict[int, str], readers: dict[str, bool]
) -> None:
    def check(made: Bench) -> None:
        blobs = {name: recorded(made, name.encode()) for name in ("update", "other")}
        had_rounds(made, closed, took={number: blobs[name] for number, name in took.items()})
        assert everyone(made, blobs["update"]) == readers

    run(tmp_path, check)


@pytest.mark.parametrize("expires", [10_001, 2**62])
def test_a_request_that_lasts_too_long_is_refused(tmp_path: Path, expires: int) -> None:
    def check(made: Bench) -> None:
        with pytest.raises(InputError, match="expected 0 to 10000"):
            may_read(made, PARTICIPANT, made.add(b"x"), expires=expires)

    run(tmp_path, check)


def same(found: dict[str, bool], expected: dict[str, bool]) -> None:
    assert found == expected
