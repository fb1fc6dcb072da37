"""Routes of tasks, rounds and global models: records of state, proven on request."""

from typing import Any

import httpx
import pytest

from contracts import queries
from ledger import state_keys
from ledger.encoding import decode
from ledger.light_client import LightClient, StateEntryProof
from ledger.quantities import ModelVersion, RoundNumber
from ledger.records import GlobalModelRecord, RoundRecord, TaskRecord
from ledger.rendering import plain
from ledger.tasks import rule_digest
from node.rest import record_schemas
from tests.node.rest.served import Served, checked, refused
from tests.node.runtime.sites import TASK


def proven(served: Served, found: dict[str, Any], key: bytes, kind: type[Any]) -> Any:
    """Return the record that an answer's proof proves."""
    evidence = decode(bytes.fromhex(found["proof"]), StateEntryProof)
    assert evidence.key == key
    value = LightClient(served.network.genesis).verify_state(evidence)
    assert value is not None
    return decode(value, kind)


def test_a_task_shows_its_registration_its_progress_and_its_recipe(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}"), record_schemas.Task)
    assert (found["spec"]["name"], found["round"], found["version"]) == (TASK, 2, 1)
    assert "proof" not in found
    record = proven(
        served,
        checked(caller.get(f"/v1/tasks/{TASK}?proof=true"), record_schemas.Task),
        state_keys.task(TASK),
        TaskRecord,
    )
    assert found["rule_digest"] == rule_digest(record.spec).hex()


def test_a_tasks_proof_proves_what_is_shown(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}?proof=true"), record_schemas.Task)
    record = plain(proven(served, found, state_keys.task(TASK), TaskRecord))
    assert isinstance(record, dict)
    assert found == {**record, "rule_digest": found["rule_digest"], "proof": found["proof"]}


def test_all_tasks_are_listed(caller: httpx.Client) -> None:
    found = checked(caller.get("/v1/tasks"), record_schemas.Tasks)
    assert found["tasks"] == [caller.get(f"/v1/tasks/{TASK}").json()]


def test_a_decided_round_shows_a_fate_for_each_invited_participant(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}/rounds/1"), record_schemas.Round)
    assert found["round"]["status"] == "decided"
    assert sorted(found["participations"], key=int) == [str(number) for number in sorted(served.sites.numbers)]
    assert {did["fate"] for did in found["participations"].values()} <= {"used", "cut"}
    assert len(found["attestations"]) >= 2


def test_the_current_round_names_who_has_done_nothing_too(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}/rounds/current"), record_schemas.Round)
    assert (found["round"]["round"], found["round"]["status"]) == (2, "open")
    assert len(found["participations"]) == len(served.sites.numbers)
    assert found["participations"][str(served.sites.numbers[0])]["blob"] is None
    assert all(did["fate"] is None for did in found["participations"].values())
    assert found["attestations"] == {}


def test_a_rounds_proof_proves_its_record(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}/rounds/1?proof=true"), record_schemas.Round)
    record = proven(served, found, state_keys.round_(TASK, RoundNumber(1)), RoundRecord)
    assert plain(record) == found["round"]


def test_a_global_model_is_proven(served: Served, caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}/models/1?proof=true"), record_schemas.Model)
    record = plain(proven(served, found, state_keys.model(TASK, ModelVersion(1)), GlobalModelRecord))
    assert isinstance(record, dict)
    assert found == {**record, "proof": found["proof"]}


def test_the_latest_model_is_the_promoted_one(caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}/models/latest"), record_schemas.Model)
    assert (found["version"], found["round"]) == (1, 1)
    assert found["model"] == caller.get(f"/v1/tasks/{TASK}").json()["model"]


def test_the_initial_model_is_version_zero(caller: httpx.Client) -> None:
    found = checked(caller.get(f"/v1/tasks/{TASK}/models/0"), record_schemas.Model)
    assert (found["round"], found["attesters"]) == (0, [])


def test_a_task_or_round_or_model_that_is_not_there_is_not_found(served: Served, caller: httpx.Client) -> None:
    async def is_known() -> bool:
        return queries.task(served.api.state, "none") is not None

    assert not served.run(is_known())
    for path in ("none", "none/rounds/1", "none/models/0", f"{TASK}/rounds/0", f"{TASK}/rounds/9", f"{TASK}/models/9"):
        refused(caller.get(f"/v1/tasks/{path}"), "not-found", status=404)


@pytest.mark.parametrize(
    "path", ["Cardio", "a_b", "a" * 64, "%00", f"{TASK}/rounds/-1", f"{TASK}/rounds/last", f"{TASK}/models/1.5"]
)
def test_what_cannot_be_a_name_or_number_is_refused(caller: httpx.Client, path: str) -> None:
    refused(caller.get(f"/v1/tasks/{path}"), "invalid-parameter", status=422)


def test_a_proof_is_asked_for_with_true_or_false(caller: httpx.Client) -> None:
    problem = refused(caller.get(f"/v1/tasks/{TASK}?proof=maybe"), "invalid-parameter", status=422)
    assert problem["got"] == "maybe"
