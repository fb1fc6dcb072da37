"""Commands that read from a node that lies: the lie is found, or what was said is not believed."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.participant.proxy import Exchange, proxy
from tests.quorate.commands import Commands
from tests.quorate.walk import TASK, Walk


def lies(commands: Commands, walk: Walk, path: str, change: Any, *arguments: object) -> tuple[int, str]:
    """Run a command on a node whose JSON answers at `path` are changed; return exit code and error code."""

    def tamper(exchange: Exchange) -> Exchange:
        if exchange.path == path and exchange.headers["Content-Type"] == "application/json":
            content = json.loads(exchange.body)
            change(content)
            exchange.body = json.dumps(content).encode()
        return exchange

    with proxy(walk.url, tamper) as node:
        options = ("--node", node.url, "--genesis", walk.served.genesis, "--format", "json")
        ran = commands(*arguments, *options)
    errors = ran.envelope["errors"]
    return ran.code, errors[0]["code"] if errors else ""


def test_a_lie_about_a_header_is_found(commands: Commands, walk: Walk) -> None:
    height = walk.receipts[0]["height"]

    def change(content: dict[str, Any]) -> None:
        content["header"]["time"] += 1

    assert lies(commands, walk, f"/v1/blocks/{height}", change, "block", height) == (1, "node-lied")


def test_a_proof_of_another_transaction_is_found(commands: Commands, walk: Walk) -> None:
    first, second = walk.receipts[0]["transaction"], walk.receipts[1]["transaction"]
    other = json.loads(_get(walk, f"/v1/transactions/{second}"))["proof"]

    def change(content: dict[str, Any]) -> None:
        content["proof"] = other

    for command in ("tx", "verify"):
        assert lies(commands, walk, f"/v1/transactions/{first}", change, command, first) == (1, "node-lied")


@pytest.mark.parametrize(
    ("path", "other", "arguments"),
    [
        (f"/v1/tasks/{TASK}/models/1", f"/v1/tasks/{TASK}/models/2", ("model", f"{TASK}@1")),
        (f"/v1/tasks/{TASK}/rounds/1", f"/v1/tasks/{TASK}/rounds/2", ("round", TASK, "1")),
        (f"/v1/tasks/{TASK}", f"/v1/tasks/{TASK}/models/2", ("task", "show", TASK)),
    ],
)
def test_a_proof_of_another_record_is_found(
    commands: Commands, walk: Walk, path: str, other: str, arguments: tuple[str, ...]
) -> None:
    proof = json.loads(_get(walk, f"{other}?proof=true"))["proof"]

    def change(content: dict[str, Any]) -> None:
        content["proof"] = proof

    assert lies(commands, walk, path, change, *arguments) == (1, "node-lied")


def test_what_a_node_says_beside_the_proof_is_not_believed(commands: Commands, walk: Walk) -> None:
    def change(content: dict[str, Any]) -> None:
        content["model"] = "00" * 32

    def shown(node: str) -> Any:
        return commands.data("model", f"{TASK}@1", "--node", node, "--genesis", walk.served.genesis)

    def tamper(exchange: Exchange) -> Exchange:
        if exchange.path.endswith("/models/1"):
            content = json.loads(exchange.body)
            change(content)
            exchange.body = json.dumps(content).encode()
        return exchange

    with proxy(walk.url, tamper) as node:
        assert shown(node.url) == shown(walk.url)


@pytest.mark.parametrize(
    ("path", "field", "arguments"),
    [
        ("/v1/blocks", "blocks", ("blocks",)),
        (f"/v1/tasks/{TASK}", "proof", ("task", "show", TASK)),
        ("/v1/participants", "participants", ("task", "show", TASK)),
        (f"/v1/tasks/{TASK}/rounds/1", "participations", ("round", TASK, "1")),
        ("/v1/status", "height", ("status",)),
    ],
)
def test_an_answer_of_another_form_is_the_nodes_fault(
    commands: Commands, walk: Walk, path: str, field: str, arguments: tuple[str, ...]
) -> None:
    def change(content: dict[str, Any]) -> None:
        del content[field]

    def run() -> tuple[int, str]:
        if arguments[0] != "status":
            return lies(commands, walk, path, change, *arguments)

        def tamper(exchange: Exchange) -> Exchange:
            content = json.loads(exchange.body)
            change(content)
            exchange.body = json.dumps(content).encode()
            return exchange

        with proxy(walk.url, tamper) as node:
            ran = commands(*arguments, "--node", node.url, "--format", "json")
        return ran.code, ran.envelope["errors"][0]["code"]

    assert run() == (3, "malformed-answer")


def test_a_changed_block_of_a_node_is_tampering(commands: Commands, walk: Walk) -> None:
    def tamper(exchange: Exchange) -> Exchange:
        if exchange.path == "/v1/blocks/3":
            exchange.body = exchange.body[:-1] + bytes([exchange.body[-1] ^ 1])
        return exchange

    with proxy(walk.url, tamper) as node:
        options = ("--node", node.url, "--genesis", walk.served.genesis, "--format", "json")
        ran = commands("verify", "--no-replay", *options)
    assert (ran.code, ran.envelope["data"]["outcome"]) == (1, "tampered")


def test_a_changed_blob_of_a_node_is_tampering(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    def tamper(exchange: Exchange) -> Exchange:
        if exchange.path.startswith("/v1/blobs/"):
            exchange.body = exchange.body[:-1] + bytes([exchange.body[-1] ^ 1])
        return exchange

    with proxy(walk.url, tamper) as node:
        options = ("--node", node.url, "--genesis", walk.served.genesis, "--key", walk.operator_key)
        assert commands("verify", f"{TASK}@1", *options).code == 1
        pulled = commands("model", "pull", TASK, "--out", tmp_path / "model", *options, "--format", "json")
        lineage = commands("lineage", TASK, *options, "--format", "json")
    assert (pulled.code, pulled.envelope["errors"][0]["code"]) == (1, "blob-differs")
    assert (lineage.code, lineage.envelope["errors"][0]["code"]) == (1, "node-lied")
    assert not (tmp_path / "model").exists()


def _get(walk: Walk, path: str) -> bytes:
    return httpx.get(f"{walk.url}{path}").raise_for_status().content
