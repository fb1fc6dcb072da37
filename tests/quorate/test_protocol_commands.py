"""`quorate protocol`: a decision goes from operator to operator and onto the chain."""

import json
from pathlib import Path

import pytest

from contracts.protocols import NOTICE_HEIGHTS
from ledger.genesis import Genesis
from tests.ledger.helpers import genesis as other_genesis
from tests.quorate.commands import Commands
from tests.quorate.walk import Walk


@pytest.fixture
def genesis(walk: Walk) -> Path:
    return walk.served.genesis


def operator(walk: Walk, number: int) -> Path:
    return walk.served.network.homes[number].path / "keys" / "operator.key"


def proposed(commands: Commands, genesis: Path, file: Path, *, version: int, height: int) -> None:
    where = ("--version", version, "--height", height, "--serial", 1, "--out", file, "--genesis", genesis)
    assert commands.data("protocol", "propose", *where)["approvals"] == []


def test_a_decision_is_approved_by_one_operator_after_the_other(
    commands: Commands, walk: Walk, genesis: Path, tmp_path: Path
) -> None:
    file = tmp_path / "decision.json"
    proposed(commands, genesis, file, version=2, height=1_000_000)
    for count in (1, 2):
        data = commands.data("protocol", "approve", file, "--operator-key", operator(walk, count), "--genesis", genesis)
        assert len(data["approvals"]) == count
    again = commands("protocol", "approve", file, "--operator-key", operator(walk, 1), "--genesis", genesis)
    assert again.code == 1
    assert "a key that has not approved yet" in again.err
    send = ("protocol", "submit", file, "--operator-key", operator(walk, 0), *walk.node)
    refused = commands(*send)
    assert refused.code == 1
    assert "run at least 3 validators; they run 2" in " ".join(refused.out.split())
    assert commands("protocol", "approve", file, "--operator-key", operator(walk, 3), "--genesis", genesis).code == 0
    ran = commands(*send, "--format", "json")
    assert (ran.code, ran.envelope["data"]["accepted"]) == (0, True)
    assert ran.envelope["data"]["values"] == [2, 1_000_000]
    # and called off again, since this release does not know it
    off = tmp_path / "off.json"
    where = ("--version", 1, "--height", NOTICE_HEIGHTS, "--serial", 2, "--out", off, "--genesis", genesis)
    commands.data("protocol", "propose", *where)
    for number in (0, 1, 2):
        commands.data("protocol", "approve", off, "--operator-key", operator(walk, number), "--genesis", genesis)
    assert commands("protocol", "submit", off, "--operator-key", operator(walk, 0), *walk.node).code == 0


def test_a_changed_decision_has_no_approvals_any_more(
    commands: Commands, walk: Walk, genesis: Path, tmp_path: Path
) -> None:
    file = tmp_path / "decision.json"
    proposed(commands, genesis, file, version=2, height=500)
    commands.data("protocol", "approve", file, "--operator-key", operator(walk, 0), "--genesis", genesis)
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "height": 501}))
    ran = commands("protocol", "approve", file, "--operator-key", operator(walk, 1), "--genesis", genesis)
    assert ran.code == 1
    assert "invalid-signature" in ran.err


@pytest.mark.parametrize("text", ["", "{}", "[]", "no JSON", '{"format": "quorate-protocol-1"}'])
def test_what_is_no_decision_is_refused(
    commands: Commands, walk: Walk, genesis: Path, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "decision.json"
    file.write_text(text)
    ran = commands("protocol", "approve", file, "--operator-key", operator(walk, 0), "--genesis", genesis)
    assert ran.code == 2
    assert "is no decision about the protocol" in ran.err


def test_a_decision_of_another_chain_is_refused(commands: Commands, walk: Walk, genesis: Path, tmp_path: Path) -> None:
    other: Genesis = other_genesis()
    elsewhere = tmp_path / "genesis.json"
    elsewhere.write_bytes(other.data)
    proposed(commands, elsewhere, tmp_path / "decision.json", version=2, height=500)
    ran = commands(
        "protocol", "approve", tmp_path / "decision.json", "--operator-key", operator(walk, 0), "--genesis", genesis
    )
    assert ran.code == 2
    assert "format and chain id" in ran.err
