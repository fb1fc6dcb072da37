"""Change files: made, approved by one operator after the other, shown; nothing but this chain's is read."""

import json
from pathlib import Path

import pytest

from ledger.genesis import Genesis
from node.home import Home
from node.keystore import KeyPurpose, load_key
from node.seat import SEAT_KEYS
from quorate.membership import read_change
from tests.quorate.commands import Commands


@pytest.fixture
def genesis(commands: Commands, tmp_path: Path) -> Path:
    descriptors = [
        commands.data("node", "init", "--home", tmp_path / name, "--organisation", name)["descriptor"]
        for name in ("org-0", "org-1", "org-2", "org-3", "org-4")
    ]
    out = tmp_path / "genesis.json"
    commands.data("genesis", "assemble", *descriptors[:4], "--chain", "trial", "--out", out)
    return out


def key(tmp_path: Path, place: int) -> Path:
    return tmp_path / f"org-{place}" / "keys" / "operator.key"


def test_operators_approve_one_after_the_other_and_twice_is_once(
    commands: Commands, tmp_path: Path, genesis: Path
) -> None:
    file, chain = tmp_path / "change.json", ("--genesis", genesis)
    made = commands.data("validator", "propose", "--add", 4, "--era", 0, "--out", file, *chain)
    assert (made["era"], made["change"]["learner"], made["approvals"]) == (0, 4, [])
    for place in (2, 0, 2, 1):
        commands.data("validator", "approve", file, "--operator-key", key(tmp_path, place), *chain)
    shown = commands.data("validator", "show", file, *chain)["approvals"]
    publics = {load_key(key(tmp_path, place), KeyPurpose.OPERATOR).public.hex() for place in range(3)}
    assert shown == sorted(publics)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("--add", 4), "AddValidator"),
        (("--remove", 2), "RemoveValidator"),
        (("--add", 4, "--remove", 2), "ReplaceValidator"),
        (("--drop", 4), "DropLearner"),
    ],
)
def test_each_change_has_its_options(
    commands: Commands, tmp_path: Path, genesis: Path, options: tuple[object, ...], kind: str
) -> None:
    made = ("--era", 3, "--out", tmp_path / "change.json", "--genesis", genesis)
    assert commands.data("validator", "propose", *options, *made)["change"]["kind"] == kind


def test_an_unclear_choice_is_refused(commands: Commands, tmp_path: Path, genesis: Path) -> None:
    made = ("--era", 0, "--out", tmp_path / "change.json", "--genesis", genesis)
    assert commands("validator", "propose", *made).code == 2
    assert commands("validator", "propose", "--add", 1, "--drop", 1, *made).code == 2


def test_a_registration_proves_every_key(commands: Commands, tmp_path: Path, genesis: Path) -> None:
    made = ("--home", tmp_path / "org-4", "--era", 0, "--genesis", genesis)
    commands.data("validator", "register", *made, "--joins", "--out", tmp_path / "joins.json")
    commands.data("validator", "register", *made, "--out", tmp_path / "member.json")
    chain = Genesis(genesis.read_bytes())
    assert len(read_change(tmp_path / "joins.json", chain).possession) == 4
    assert len(read_change(tmp_path / "member.json", chain).possession) == 3


@pytest.mark.parametrize("options", [(), ("--vote-key-only",)])
def test_a_rotation_makes_keys_beside_the_present_ones(
    commands: Commands, tmp_path: Path, genesis: Path, options: tuple[str, ...]
) -> None:
    vote_key_only = bool(options)
    home = Home(tmp_path / "org-0")
    before = {purpose: home.key(purpose).read_bytes() for purpose in SEAT_KEYS}
    made = ("--home", home.path, "--validator", 0, "--era", 0, "--genesis", genesis)
    commands.data("validator", "rotate", *made, *options, "--out", tmp_path / "rotate.json")
    assert {purpose: home.key(purpose).read_bytes() for purpose in SEAT_KEYS} == before
    assert home.staged_key(KeyPurpose.VOTE).exists()
    assert home.staged_key(KeyPurpose.SERVICE).exists() is not vote_key_only
    assert home.staged_credential.exists() is not vote_key_only
    again = commands("validator", "rotate", *made, "--out", tmp_path / "again.json")
    assert again.code == 2
    assert "keys for a rotation" in again.err


def test_another_chains_change_and_other_files_are_refused(commands: Commands, tmp_path: Path, genesis: Path) -> None:
    file = tmp_path / "change.json"
    commands.data("validator", "propose", "--remove", 1, "--era", 0, "--out", file, "--genesis", genesis)
    document = json.loads(file.read_bytes())
    for damage in ({"chain_id": "00" * 32}, {"format": "quorate-change-2"}, {"body": "00"}, {"body": "zz"}):
        other = tmp_path / "other.json"
        other.write_text(json.dumps(document | damage))
        ran = commands("validator", "show", other, "--genesis", genesis)
        assert ran.code == 2, damage
        other.unlink()
