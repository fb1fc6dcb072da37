"""Lineage: each model with what it was made from, back to the initial one."""

from pathlib import Path

from aggregation.shares import SHARE_ONE
from ledger.hashing import Digest
from quorate.chain_folder import ChainFolder
from quorate.lineage import trace, tree
from quorate.plain_text import lines
from quorate.replayed_view import ReplayedView
from tests.quorate.commands import Commands
from tests.quorate.evidence import remove_blob
from tests.quorate.trained import ABSENT, REFUSED, TASK, TrainedChain


def view_of(folder: Path) -> ReplayedView:
    return ReplayedView(ChainFolder(folder), trusted=None)


def test_lineage_leads_back_to_the_initial_model(exported: Path, chain: TrainedChain) -> None:
    found = trace(view_of(exported), TASK, None, depth=100)
    assert [model["version"] for model in found] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert [model["base"] for model in found[:-1]] == [model["model"] for model in found[1:]]
    assert found[-1]["model"] == chain.task.spec.initial_model.hex()
    assert found[-1]["inputs"] == []


def test_lineage_stops_at_the_depth_asked_for(exported: Path) -> None:
    assert [model["version"] for model in trace(view_of(exported), TASK, 5, depth=2)] == [5, 4]


def test_every_invited_participant_is_named_with_its_fate(exported: Path) -> None:
    view = view_of(exported)
    for (version, who), fate in ((REFUSED, "rejected"), (ABSENT, "absent")):
        (model,) = trace(view, TASK, version, depth=1)
        inputs = {it["participant"]: it for it in model["inputs"]}
        assert inputs.keys() == {1, 2, 3, 4, 5}
        assert (inputs[who]["fate"], inputs[who]["update"], inputs[who]["share"]) == (fate, None, None)


def test_shares_are_those_of_the_attested_report(exported: Path) -> None:
    (model,) = trace(view_of(exported), TASK, 1, depth=1)
    assert sum(it["share"] for it in model["inputs"]) == SHARE_ONE
    assert {it["reason"] for it in model["inputs"]} == {"none"}


def test_shares_are_left_out_where_the_report_is_not_to_be_had(copy: Path, exported: Path) -> None:
    report = view_of(exported).model(TASK, 1)["report"]
    remove_blob(copy, Digest(bytes.fromhex(report)))
    (model,) = trace(view_of(copy), TASK, 1, depth=1)
    assert [it["share"] for it in model["inputs"]] == [None] * 5
    assert "share" not in "".join(lines([tree([model])]))


def test_the_tree_names_rule_inputs_attesters_and_parent(commands: Commands, exported: Path) -> None:
    shown = commands("lineage", f"{TASK}@2", "--depth", "1", "--from", exported).out.splitlines()
    assert shown[0] == f"lineage of {TASK}@2"
    assert shown[1].startswith(f"|-- {TASK}@2  model ")
    assert shown[2] == "|   |-- round 2  trimmed-mean  4 of 5 invited used"
    assert shown[3].startswith("|   |-- 1 org-00/site   used      share  ")
    assert shown[7] == "|   |-- 5 site-00/site  rejected"
    assert shown[8].startswith("|   `-- attested by ")
    assert shown[9].startswith(f"`-- {TASK}@1  model ")


def test_what_follows_is_an_update_under_its_whole_id(commands: Commands, exported: Path) -> None:
    ran = commands("lineage", f"{TASK}@2", "--from", exported)
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    following = ran.err.splitlines()[-1].split()
    assert following[:3] == ["next:", "quorate", "tx"]
    assert f"  tx {following[3][:12]}" in ran.out
    assert commands(*following[2:]).code == 0


def test_what_follows_the_initial_model_is_its_verification(commands: Commands, exported: Path) -> None:
    ran = commands("lineage", f"{TASK}@0", "--from", exported)
    assert ran.err.splitlines()[-1] == f"next: quorate verify {TASK}@0 --from {exported}"


def test_the_initial_model_stands_alone(commands: Commands, exported: Path) -> None:
    ran = commands("lineage", f"{TASK}@0", "--from", exported)
    assert ran.out.splitlines()[1:] == [
        line for line in ran.out.splitlines() if line.endswith("block 3  initial model")
    ]
