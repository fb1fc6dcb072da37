"""Routes about the node: version, status, genesis, probes, codes of problems."""

import platform

import httpx
import pytest

from ledger.genesis import Genesis
from ledger.quantities import TimeMs
from node.alarms import AlarmKind, AlarmLevel, Alarms
from node.rest import schemas
from node.rest.problems import problem_types
from node.runtime.wires import Wires
from node.storage.errors import DatabaseDamaged
from tests.node.rest.served import Served, checked, refused


def test_version_names_software_protocol_schema_and_python(caller: httpx.Client) -> None:
    found = checked(caller.get("/v1/version"), schemas.Version)
    assert found == {"software": "0.1.0", "protocol": 1, "schema": 1, "python": platform.python_version()}


def test_status_says_where_the_node_stands_and_on_which_chain(served: Served, caller: httpx.Client) -> None:
    response = caller.get("/v1/status")
    found = checked(response, schemas.Status)
    assert found["chain_id"] == served.network.genesis.chain_id.hex()
    assert (found["chain"], found["organisation"]) == ("testing", "org-0")
    assert (found["validators"], found["quorum"], found["validator"]) == (4, 3, 0)
    assert [peer["validator"] for peer in found["peers"]] == [1, 2, 3]
    assert response.headers["quorate-height"] == str(found["height"])


def test_genesis_is_the_file_itself_under_the_chain_id(served: Served, caller: httpx.Client) -> None:
    response = caller.get("/v1/genesis")
    assert Genesis(response.content).chain_id == served.network.genesis.chain_id
    assert response.headers["content-type"] == "application/json"
    assert response.headers["etag"] == f'"{served.network.genesis.chain_id.hex()}"'


def test_genesis_is_not_sent_to_whom_has_it(served: Served, caller: httpx.Client) -> None:
    tag = f'"{served.network.genesis.chain_id.hex()}"'
    response = caller.get("/v1/genesis", headers={"If-None-Match": f'"other", {tag}'})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)


def test_livez_answers(caller: httpx.Client) -> None:
    assert checked(caller.get("/livez"), schemas.Probe) == {"status": "ok"}


def test_readyz_names_every_check_when_verbose(caller: httpx.Client) -> None:
    found = checked(caller.get("/readyz?verbose"), schemas.Readiness)
    assert found["status"] == "ok"
    assert [check["name"] for check in found["checks"]] == ["quorum", "view", "head"]


def test_alarms_are_shown_and_take_no_node_out_of_service(served: Served, caller: httpx.Client) -> None:
    alarms = served.api.alarms

    async def put() -> None:
        alarms.put(AlarmKind.CORRUPTION, AlarmLevel.CRITICAL, "block 9", now=TimeMs(5), subject="database")

    served.run(put())
    raised = {"kind": "corruption", "subject": "database", "level": "critical", "detail": "block 9", "since": 5}
    found = checked(caller.get("/readyz?verbose"), schemas.Readiness)
    assert (found["status"], found["alarms"]) == ("ok", [raised])
    assert checked(caller.get("/v1/status"), schemas.Status)["alarms"] == [raised]
    served.run(cleared(alarms))
    assert checked(caller.get("/readyz?verbose"), schemas.Readiness)["alarms"] == []


def test_a_caller_who_meets_a_damaged_database_raises_the_alarm(
    served: Served, caller: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: object) -> None:
        raise DatabaseDamaged("block 1", expected="its checksum", got="another")

    monkeypatch.setattr(served.api.chain, "block", damaged)
    refused(caller.get("/v1/blocks/1"), "database-damaged", status=500)
    (alarm,) = checked(caller.get("/readyz?verbose"), schemas.Readiness)["alarms"]
    assert (alarm["kind"], alarm["level"], alarm["detail"]) == (
        "corruption",
        "critical",
        "block 1: expected its checksum, got another",
    )
    served.run(cleared(served.api.alarms))


async def cleared(alarms: Alarms) -> None:
    alarms.clear(AlarmKind.CORRUPTION, subject="database")


def test_readyz_names_only_what_fails_otherwise(caller: httpx.Client) -> None:
    assert checked(caller.get("/readyz"), schemas.Readiness) == {"status": "ok", "checks": []}


def test_a_node_without_its_peers_is_not_ready(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wires, "connected", frozenset())
    found = checked(served.call(served.app(), "GET", "/readyz"), schemas.Readiness, status=503)
    assert found["status"] == "unavailable"
    detail = "1 of 4 validators in reach, itself included; 3 needed"
    assert found["checks"] == [{"name": "quorum", "ok": False, "detail": detail}]


@pytest.mark.parametrize("code", sorted(problem_types()))
def test_every_code_of_the_error_tree_is_explained(caller: httpx.Client, code: str) -> None:
    found = checked(caller.get(f"/problems/{code}"), schemas.ProblemType)
    kind = problem_types()[code]
    assert (found["code"], found["status"], found["hint"]) == (code, kind.http_status, kind.hint)
    assert found["meaning"]


def test_a_code_that_is_none_is_not_explained(caller: httpx.Client) -> None:
    refused(caller.get("/problems/nothing"), "not-found", status=404)
