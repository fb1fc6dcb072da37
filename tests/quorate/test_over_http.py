"""Every command that talks to nodes, against real ones."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy

from node.keystore import KeyPurpose, create_key
from tests.consortium import consortium
from tests.participant.proxy import Exchange, proxy
from tests.quorate.commands import Commands
from tests.quorate.walk import EXAMPLES, ROUNDS, SITES, TASK, Walk

WORD = "on the word of this node; `quorate verify` checks all of it"


# What was sent


def test_every_update_has_a_receipt(walk: Walk) -> None:
    rows = [(receipt["round"], receipt["accepted"], receipt["rule"]) for receipt in walk.receipts]
    assert rows == [(number, True, None) for number in range(1, ROUNDS + 1) for _ in range(SITES)]


def test_who_waited_learnt_its_fate(walk: Walk) -> None:
    fates = [receipt["fate"].partition(":")[0] for receipt in walk.receipts if "fate" in receipt]
    assert len(fates) == ROUNDS
    assert set(fates) <= {"used", "cut"}


def test_an_update_to_a_finished_task_is_refused_with_the_rule(walk: Walk) -> None:
    ran = walk.submit(walk.update(9, 0), 0)
    assert ran.code == 1
    assert (ran.envelope["data"]["accepted"], ran.envelope["data"]["rule"]) == (False, "U3")
    assert ran.envelope["data"]["why"].startswith("Refused by rule U3 in block ")


def test_a_site_is_enrolled_and_a_second_time_refused(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    key = tmp_path / "new.key"
    public = create_key(key, KeyPurpose.PARTICIPANT).public.hex()
    enrol = ("participant", "enrol", "--operator-key", walk.operator_key, "--name", "annex", *walk.node)
    found = commands.data(*enrol, "--key", key)
    assert (found["organisation"], found["public"], found["accepted"]) == ("org-0", public, True)
    assert int(found["participant"]) == found["values"][0]
    again = commands(*enrol, "--public", create_key(tmp_path / "b.key", KeyPurpose.PARTICIPANT).public.hex())
    assert again.code == 1
    assert "Refused by rule P3" in again.out


@pytest.mark.parametrize("keys", [(), ("--public", "ab" * 32, "--key", "site.key"), ("--public", "ab")])
def test_a_site_needs_exactly_one_key(commands: Commands, walk: Walk, keys: tuple[str, ...]) -> None:
    enrol = ("participant", "enrol", "--operator-key", walk.operator_key, "--name", "annex", *walk.node)
    assert commands(*enrol, *keys).code == 2


def test_a_task_with_the_name_of_another_is_refused(commands: Commands, walk: Walk) -> None:
    file = walk.folder / "task" / "task.toml"
    ran = commands("task", "new", file, "--operator-key", walk.operator_key, *walk.node, "--format", "json")
    assert (ran.code, ran.envelope["data"]["rule"]) == (1, "T2")


def test_a_task_that_invites_a_stranger_is_not_sent(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    for name in ("layout.quorate", "model.safetensors"):
        (tmp_path / name).write_bytes((walk.folder / "task" / name).read_bytes())
    text = (walk.folder / "task" / "task.toml").read_text().replace("org-3/site", "org-3/attic")
    (tmp_path / "task.toml").write_text(text)
    ran = commands("task", "new", tmp_path / "task.toml", "--operator-key", walk.operator_key, *walk.node)
    assert ran.code == 2
    assert "org-3/attic" in ran.err


# What is read


def test_a_node_says_where_it_stands(commands: Commands, walk: Walk) -> None:
    data = commands.data("node", "status", "--node", walk.url)
    assert (data["validators"], data["quorum"], len(data["peers"])) == (4, 3, 3)
    assert "health:     ok" in commands("node", "status", "--node", walk.url).out


def test_blocks_are_shown_on_the_word_of_the_node(commands: Commands, walk: Walk) -> None:
    ran = commands("blocks", "--limit", "2", *walk.node, "--format", "json")
    first, second = ran.envelope["data"]
    assert first["height"] == second["height"] + 1
    assert ran.envelope["warnings"] == [f"summaries of blocks: {WORD}"]


def test_a_block_is_verified_as_far_as_it_can_be(commands: Commands, walk: Walk) -> None:
    height = walk.receipts[0]["height"]
    ran = commands("block", height, *walk.node, "--format", "json")
    ids = [entry.get("id") for entry in ran.envelope["data"]["entries"]]
    assert walk.receipts[0]["transaction"] in ids
    assert f"how the entries of the block were judged: {WORD}" in ran.envelope["warnings"]


def test_genesis_is_a_block_too(commands: Commands, walk: Walk) -> None:
    assert commands.data("block", "0", *walk.node)["entries"] == []


def test_a_transaction_is_shown_with_its_proof_verified(commands: Commands, walk: Walk) -> None:
    receipt = walk.receipts[0]
    ran = commands("tx", receipt["transaction"], *walk.node, "--format", "json")
    found = ran.envelope["data"]
    assert (found["height"], found["log_index"]) == (receipt["height"], receipt["log_index"])
    assert found["receipt"]["verdict"]["kind"] == "Accepted"
    assert ran.envelope["warnings"] == []


def test_a_transaction_is_verified_by_its_proof_alone(commands: Commands, walk: Walk) -> None:
    data = commands.data("verify", walk.receipts[0]["transaction"], *walk.node)
    assert (data["outcome"], data["transaction"]["id"]) == ("verified", walk.receipts[0]["transaction"])


def test_round_model_and_task_are_shown(commands: Commands, walk: Walk) -> None:
    round_ = commands.data("round", TASK, 1, *walk.node)
    assert [did["examples"] for did in round_["participations"].values()] == [EXAMPLES + site for site in range(SITES)]
    assert len(round_["attestations"]) >= 2
    model = commands.data("model", f"{TASK}@1", *walk.node)
    assert model["model"] == round_["round"]["model"]
    assert commands.data("model", TASK, *walk.node)["version"] == ROUNDS
    assert commands.data("task", "show", TASK, *walk.node)["status"] == "finished"


@pytest.mark.parametrize(
    "arguments",
    [
        ("block", "999999"),
        ("tx", "ab" * 32),
        ("round", TASK, "99"),
        ("round", "lungs"),
        ("model", f"{TASK}@99"),
        ("task", "show", "lungs"),
        ("lineage", "lungs"),
        ("verify", "ab" * 32),
    ],
)
def test_what_a_node_does_not_have_is_not_found(commands: Commands, walk: Walk, arguments: tuple[str, ...]) -> None:
    ran = commands(*arguments, *walk.node, "--format", "json")
    assert (ran.code, ran.envelope["errors"][0]["code"]) == (5, "not-on-chain")


def test_lineage_has_shares_for_who_may_read_the_report(commands: Commands, walk: Walk) -> None:
    with_key = commands.data("lineage", TASK, *walk.node, "--key", walk.operator_key)
    without = commands.data("lineage", TASK, *walk.node)
    assert [model["version"] for model in with_key] == [2, 1, 0]
    assert sum(it["share"] for it in with_key[0]["inputs"]) == 2**30
    assert {it["share"] for it in without[0]["inputs"]} == {None}


def test_a_model_is_pulled_as_an_ordinary_safetensors_file(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    data = commands.data("model", "pull", TASK, "--out", out, "--key", walk.served.sites[1], *walk.node)
    assert (data["version"], data["verified"]) == (ROUNDS, True)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == data["view"]
    found = safetensors.numpy.load_file(out)
    assert {name: array.shape for name, array in found.items()} == {"fc.bias": (3,), "fc.weight": (3, 4)}
    assert not np.array_equal(found["fc.weight"], np.full((3, 4), 0.25, np.float32))


def test_the_initial_model_is_pulled_as_it_was_imported(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    commands.data("model", "pull", f"{TASK}@0", "--out", out, "--key", walk.operator_key, *walk.node)
    found, start = safetensors.numpy.load_file(out), safetensors.numpy.load_file(walk.folder / "start.safetensors")
    assert all(np.array_equal(found[name], start[name]) for name in start)


def test_a_model_that_is_not_verified_is_said_so(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    pull = ("model", "pull", TASK, "--out", tmp_path / "model", "--key", walk.operator_key, "--node", walk.url)
    assert commands(*pull).code == 2, "without a genesis file there is nothing to verify against"
    ran = commands(*pull, "--no-verify", "--format", "json")
    assert (ran.code, ran.envelope["data"]["verified"]) == (0, False)
    assert ran.envelope["warnings"] == ["nothing was verified: the model is what the node says it is"]
    assert commands(*pull, "--no-verify").code == 2, "the file is there"


def test_a_node_of_another_chain_is_refused(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    other = tmp_path / "genesis.json"
    other.write_bytes(consortium().genesis.data)
    ran = commands("blocks", "--node", walk.url, "--genesis", other, "--format", "json")
    assert (ran.code, ran.envelope["errors"][0]["code"]) == (1, "genesis-differs")


def test_a_caller_without_genesis_is_told_to_compare(commands: Commands, walk: Walk) -> None:
    ran = commands("task", "show", TASK, "--node", walk.url, "--format", "json")
    (warning,) = ran.envelope["warnings"]
    assert warning.startswith("no --genesis was given: compare chain id ")


# What is exported and verified


def test_a_chain_is_exported_and_verified_offline_bit_for_bit(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    export = commands.data("export", folder, *walk.node, "--key", walk.operator_key)
    refused = hashlib.sha256(walk.update(9, 0).read_bytes()).hexdigest()
    assert set(export["missing"]) <= {refused}, "nobody may read an update that no round accepted"
    data = commands.data("verify", "--from", folder, "--genesis", walk.served.genesis)
    assert (data["outcome"], data["chain_id"], data["height"]) == ("verified", export["chain_id"], export["height"])
    assert [model["version"] for model in data["models"]] == list(range(ROUNDS + 1))
    assert commands.data("lineage", TASK, "--from", folder)[0]["model"] == data["models"][-1]["model"]


def test_an_export_and_its_node_tell_the_same(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    commands.data("export", folder, *walk.node, "--key", walk.operator_key)
    for arguments in (
        ("block", walk.receipts[0]["height"]),
        ("tx", walk.receipts[0]["transaction"]),
        ("round", TASK, 2),
        ("model", TASK),
        ("task", "show", TASK),
    ):
        assert commands.data(*arguments, "--from", folder) == commands.data(*arguments, *walk.node)


def test_an_export_without_key_has_no_blobs(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    ran = commands("export", tmp_path / "chain", *walk.node, "--format", "json")
    assert (ran.code, ran.envelope["data"]["blobs"]) == (0, 0)
    assert commands("verify", "--from", tmp_path / "chain", "--no-replay").code == 0
    assert commands("verify", "--from", tmp_path / "chain").code == 3


def test_a_running_node_is_verified_whole(commands: Commands, walk: Walk) -> None:
    data = commands.data("verify", f"{TASK}@2", *walk.node, "--key", walk.operator_key)
    assert (data["outcome"], data["replayed"]) == ("verified", True)
    assert commands("verify", *walk.node).code == 3, "without a key there is nothing to recompute from"
    assert commands("verify", *walk.node, "--no-replay").code == 0


# Nodes that lie


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
        ("/v1/status", "height", ("node", "status")),
    ],
)
def test_an_answer_of_another_form_is_the_nodes_fault(
    commands: Commands, walk: Walk, path: str, field: str, arguments: tuple[str, ...]
) -> None:
    def change(content: dict[str, Any]) -> None:
        del content[field]

    def run() -> tuple[int, str]:
        if arguments[0] != "node":
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
