"""The explorer over an export: what is shown was executed again, and JSON is that of the nodes' interface."""

import json
from pathlib import Path

import pytest

from contracts import queries
from ledger.quantities import Height, RoundNumber
from quorate.chain_folder import block_name
from tests.quorate.commands import Commands
from tests.quorate.trained import ABSENT, REFUSED, TASK, VOID_ROUND, TrainedChain


def transaction_of(chain: TrainedChain, number: int, who: int) -> str:
    """Return the id of the transaction that brought a participant's update."""
    found = queries.participations(chain.state, TASK, RoundNumber(number))
    identity = next(item.transaction for participant, item in found.items() if participant == who)
    assert identity is not None
    return identity.hex()


def test_blocks_are_listed_newest_first(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    data = commands.data("blocks", "--limit", "3", "--from", exported)
    assert [block["height"] for block in data] == [35, 34, 33]
    assert data[0]["digest"] == chain.tip.header.digest.hex()
    assert (data[0]["view"], data[0]["signers"]) == (0, [0, 1, 2])
    assert (data[2]["view"], data[2]["signers"]) == (None, [])


def test_blocks_go_on_where_a_page_ended(commands: Commands, exported: Path) -> None:
    data = commands.data("blocks", "--before", "3", "--from", exported)
    assert [block["height"] for block in data] == [2, 1, 0]


def test_blocks_begin_with_genesis(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    (first,) = commands.data("blocks", "--before", "1", "--from", exported)
    assert (first["height"], first["digest"]) == (0, chain.members.genesis.block.digest.hex())
    assert commands.data("block", "0", "--from", exported)["entries"] == []
    assert "committed by:  nobody: it is the genesis file" in commands("block", "0", "--from", exported).out


def test_blocks_as_json_lines_are_one_a_line(commands: Commands, exported: Path) -> None:
    ran = commands("blocks", "--limit", "2", "--from", exported, "--format", "jsonl")
    assert [json.loads(line)["data"]["height"] for line in ran.out.splitlines()] == [35, 34]


def test_a_block_is_shown_with_its_verdicts(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    refused = next(executed.block.header.height for executed in chain.blocks if executed.block.header.height > 7)
    data = commands.data("block", refused, "--from", exported)
    verdicts = [entry["receipt"]["verdict"] for entry in data["entries"]]
    assert [verdict.get("rule") for verdict in verdicts].count("U12") == 1
    shown = commands("block", refused, "--from", exported).out
    assert "refused by rule U12: the update's l2 norm over the weights is" in shown
    assert any(line.endswith(data["entries"][0]["id"]) for line in shown.splitlines()), "as `quorate tx` takes it"
    assert "update for heart round 2, 105 examples" in shown


def test_the_last_block_is_shown_by_default(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    assert commands.data("block", "--from", exported)["header"]["height"] == chain.height


@pytest.mark.parametrize(("height", "code"), [("36", 5), ("-1", 2), ("high", 2), ("9" * 30, 2)])
def test_a_block_that_is_not_there_is_not_found(commands: Commands, exported: Path, height: str, code: int) -> None:
    ran = commands("block", "--from", exported, "--format", "json", "--", height)
    assert ran.code == code
    assert ran.envelope["data"] is None


def test_a_transaction_is_shown_where_it_stands(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    identity = transaction_of(chain, 1, 2)
    data = commands.data("tx", identity, "--from", exported)
    assert (data["id"], data["status"], data["receipt"]["verdict"]["kind"]) == (identity, "final", "Accepted")
    before = sum(len(executed.entries) for executed in chain.blocks[: data["height"] - 1])
    assert data["log_index"] == before + data["position"]


def test_an_unknown_transaction_is_not_found(commands: Commands, exported: Path) -> None:
    assert commands("tx", "ab" * 32, "--from", exported).code == 5


@pytest.mark.parametrize("identity", ["abc", "zz" * 32, "ab" * 31])
def test_what_is_no_id_is_a_usage_error(commands: Commands, exported: Path, identity: str) -> None:
    assert commands("tx", identity, "--from", exported).code == 2


def test_a_round_shows_the_fate_of_everybody(commands: Commands, exported: Path) -> None:
    for (number, who), fate in ((REFUSED, "rejected"), (ABSENT, "absent")):
        data = commands.data("round", TASK, number, "--from", exported)
        fates = {int(participant): did["fate"] for participant, did in data["participations"].items()}
        assert fates.keys() == {1, 2, 3, 4, 5}
        assert fates[who] == fate
        assert {fates[other] for other in fates if other != who} == {"used"}


def test_a_void_round_says_that_accepted_updates_were_unused(commands: Commands, exported: Path) -> None:
    ran = commands("round", TASK, VOID_ROUND, "--from", exported)
    assert "status:       void" in ran.out
    assert "unused: accepted, but the round ended void" in ran.out
    assert ran.err.splitlines()[-1] == f"next: quorate lineage {TASK}@3 --from {exported}"


def test_the_last_round_is_shown_by_default(commands: Commands, exported: Path) -> None:
    assert commands.data("round", TASK, "--from", exported)["round"]["round"] == 8


def test_a_model_is_shown_with_or_without_the_verb(commands: Commands, exported: Path) -> None:
    data = commands.data("model", f"{TASK}@2", "--from", exported)
    assert data == commands.data("model", "show", f"{TASK}@2", "--from", exported)
    assert (data["version"], data["round"]) == (2, 2)


def test_the_newest_model_is_shown_by_default(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    assert commands.data("model", TASK, "--from", exported)["model"] == chain.task.model.hex()


def test_a_task_is_shown(commands: Commands, exported: Path) -> None:
    data = commands.data("task", "show", TASK, "--from", exported)
    assert (data["status"], data["spec"]["faulty_max"]) == ("finished", 1)
    shown = commands("task", "show", TASK, "--from", exported).out
    assert "trimmed-mean, tolerates 1 faulty" in shown, "as the task file names it"
    assert "2 (2147483648 * 2^-30)" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("round", TASK, "9"),
        ("round", "lungs"),
        ("model", f"{TASK}@8"),
        ("model", "lungs"),
        ("task", "show", "lungs"),
        ("lineage", f"{TASK}@8"),
        ("verify", f"{TASK}@8"),
        ("verify", "ab" * 32),
    ],
)
def test_what_is_not_on_the_chain_is_not_found(commands: Commands, exported: Path, arguments: tuple[str, ...]) -> None:
    ran = commands(*arguments, "--from", exported, "--format", "json")
    assert ran.code == 5
    assert ran.envelope["errors"][0]["code"] == "not-on-chain"


@pytest.mark.parametrize(
    "arguments",
    [("round", "Heart"), ("model", "heart@x"), ("model", "heart@"), ("lineage", "../heart"), ("verify", "@1")],
)
def test_what_is_no_name_is_a_usage_error(commands: Commands, exported: Path, arguments: tuple[str, ...]) -> None:
    assert commands(*arguments, "--from", exported).code == 2


def test_a_transaction_is_verified_from_an_export(commands: Commands, exported: Path, chain: TrainedChain) -> None:
    identity = transaction_of(chain, 1, 2)
    data = commands.data("verify", identity, "--from", exported)
    assert (data["outcome"], data["transaction"]["id"]) == ("verified", identity)
    assert "models" not in data


def test_nothing_is_shown_of_a_chain_that_was_tampered_with(commands: Commands, copy: Path) -> None:
    file = copy / block_name(Height(30))
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    ran = commands("blocks", "--from", copy)
    assert (ran.code, ran.out) == (1, "")


def test_a_caller_without_genesis_is_told_to_compare_the_chain_id(
    commands: Commands, exported: Path, chain: TrainedChain
) -> None:
    ran = commands("blocks", "--from", exported, "--format", "json")
    assert ran.envelope["warnings"] == [
        f"no --genesis was given: compare chain id {chain.chain_id.hex()} with the other members'"
    ]


def test_a_caller_with_genesis_is_not(commands: Commands, exported: Path) -> None:
    ran = commands("blocks", "--from", exported, "--genesis", exported / "genesis.json", "--format", "json")
    assert ran.envelope["warnings"] == []


def test_the_environment_names_the_genesis(commands: Commands, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_GENESIS", str(exported / "genesis.json"))
    assert commands("blocks", "--from", exported, "--format", "json").envelope["warnings"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("blocks",),
        ("block", "5"),
        ("block", "12"),
        ("round", TASK, "2"),
        ("model", TASK),
        ("task", "show", TASK),
        ("lineage", TASK, "--depth", "100"),
        ("verify",),
        ("verify", f"{TASK}@1"),
    ],
)
def test_every_table_is_plain_ascii_of_80_columns_where_there_is_no_terminal(
    commands: Commands, exported: Path, arguments: tuple[str, ...]
) -> None:
    ran = commands(*arguments, "--from", exported)
    assert ran.code == 0
    assert ran.out.isascii()
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert ran.out.replace("\n", "").isprintable()
    assert ran.err.splitlines()[-1].startswith("next: quorate ")
