"""Routes of tasks, their rounds and their global models: records of state, with proofs on request."""

from fastapi import APIRouter
from starlette.responses import Response

from contracts import queries
from ledger import state_keys
from ledger.quantities import ModelVersion, RoundNumber
from ledger.records import TaskRecord
from ledger.rendering import Plain, plain
from ledger.tasks import rule_digest
from node.rest import record_schemas
from node.rest.answers import gently, json_answer, plain_noun, state_proof
from node.rest.context import Context
from node.rest.errors import NotFound
from node.rest.parameters import ProofQuery, RoundPath, TaskPath, VersionPath
from node.runtime.api import NodeApi

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get("", response_model=record_schemas.Tasks)
async def tasks(context: Context) -> Response:
    """All tasks by name."""
    height = context.api.height
    found: list[Plain] = [_task(record) async for record in gently(list(queries.tasks(context.api.state)))]
    return json_answer(height, {"tasks": found})


@router.get("/{task}", response_model=record_schemas.Task)
async def task(context: Context, task: TaskPath, *, proof: ProofQuery = False) -> Response:
    """One task: its registration and its progress."""
    api = context.api
    content = {**_task(_found(api, task)), **state_proof(api, state_keys.task(task), wanted=proof)}
    return json_answer(api.height, content)


@router.get("/{task}/rounds/{round}", response_model=record_schemas.Round)
async def round_(context: Context, task: TaskPath, round: RoundPath, *, proof: ProofQuery = False) -> Response:  # noqa: A002
    """One round: its record, what each invited participant did, and the attestations."""
    api = context.api
    current = _found(api, task).round
    number = current if round == "current" else RoundNumber(int(round))
    record = queries.round_record(api.state, task, number)
    if record is None:
        raise NotFound(f"round of task {task}", expected=f"1 to {current}", got=number)
    did = {
        invited.participant: queries.participation(api.state, task, number, invited.participant)
        for invited in record.invited
    }
    content: dict[str, Plain] = {
        "round": plain(record),
        "participations": plain(did),
        "attestations": plain(queries.attestations(api.state, task, number)),
        **state_proof(api, state_keys.round_(task, number), wanted=proof),
    }
    return json_answer(api.height, content)


@router.get("/{task}/models/{version}", response_model=record_schemas.Model)
async def model(context: Context, task: TaskPath, version: VersionPath, *, proof: ProofQuery = False) -> Response:
    """One global model of the task's lineage."""
    api = context.api
    latest = _found(api, task).version
    number = latest if version == "latest" else ModelVersion(int(version))
    record = queries.model(api.state, task, number)
    if record is None:
        raise NotFound(f"global model of task {task}", expected=f"0 to {latest}", got=number)
    key = state_keys.model(task, number)
    return json_answer(api.height, {**plain_noun(record), **state_proof(api, key, wanted=proof)})


def _found(api: NodeApi, name: str) -> TaskRecord:
    record = queries.task(api.state, name)
    if record is None:
        raise NotFound("task", expected="a registered one", got=name)
    return record


def _task(record: TaskRecord) -> dict[str, Plain]:
    return {**plain_noun(record), "rule_digest": rule_digest(record.spec).hex()}
