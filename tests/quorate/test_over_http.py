"""Every command that talks to nodes, against real ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from node.keystore import KeyPurpose, create_key
from tests.consortium import consortium
from tests.participant.proxy import proxy
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


def test_what_is_no_update_of_the_task_is_not_sent(commands: Commands, walk: Walk) -> None:
    with proxy(walk.url) as node:
        options = ("--node", node.url, "--genesis", walk.served.genesis, "--format", "json")
        about = ("--task", TASK, "--key", walk.served.sites[0], "--examples", "5")
        ran = commands("update", "submit", walk.folder / "start.safetensors", *about, *options)
    assert (ran.code, ran.envelope["data"]) == (1, None)
    assert {method for method, _ in node.seen} == {"GET"}


def test_what_to_do_next_leads_to_the_same_chain(commands: Commands, walk: Walk) -> None:
    ran = commands("model", TASK, *walk.node)
    assert ran.err.splitlines()[-1] == f"next: quorate lineage {TASK}@{ROUNDS} {' '.join(walk.node)}"


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
    data = commands.data("status", "--node", walk.url)
    assert (data["validators"], data["quorum"], len(data["peers"])) == (4, 3, 3)
    assert "health:     ok" in commands("status", "--node", walk.url).out


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
    assert "no --key: blobs are for members" in commands("lineage", TASK, *walk.node).err


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


def test_a_model_is_pulled_by_members_alone(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    create_key(tmp_path / "stranger.key", KeyPurpose.PARTICIPANT)
    pull = ("model", "pull", TASK, "--out", tmp_path / "model", "--key", tmp_path / "stranger.key", *walk.node)
    ran = commands(*pull, "--format", "json")
    assert (ran.code, ran.envelope["errors"][0]["code"]) == (4, "node-forbids")


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
    without = commands("verify", *walk.node)
    assert without.code == 3, "without a key there is nothing to recompute from"
    assert "no --key: blobs are for members" in without.err
    assert commands("verify", *walk.node, "--no-replay").code == 0
