"""From nothing to a genesis file that every member can read aloud, and what is refused on the way."""

import json
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from aggregation.layouts import decode_layout
from aggregation.model_file import import_model
from aggregation.update_file import encode_update
from ledger.genesis import Genesis
from ledger.hashing import sha256
from ledger.tasks import Role
from tests.quorate.commands import Commands
from tests.quorate.trained import LAYOUT, TrainedChain


def init(commands: Commands, folder: Path, number: int) -> Path:
    """Make a validator's home and return its descriptor."""
    data = commands.data("node", "init", "--home", folder / f"org-{number}", "--organisation", f"org-{number}")
    return Path(data["descriptor"])


def assembled(commands: Commands, folder: Path) -> Path:
    descriptors = [init(commands, folder, number) for number in range(4)]
    out = folder / "genesis.json"
    commands.data("genesis", "assemble", *descriptors, "--chain", "trial", "--out", out)
    return out


def test_descriptors_make_a_genesis_file(commands: Commands, tmp_path: Path) -> None:
    descriptors = [init(commands, tmp_path, number) for number in range(4)]
    member = commands.data("organisation", "init", "--home", tmp_path / "site-0", "--name", "site-0")
    out = tmp_path / "genesis.json"
    data = commands.data("genesis", "assemble", *descriptors, member["descriptor"], "--chain", "trial", "--out", out)
    genesis = Genesis(out.read_bytes())
    assert data["chain_id"] == genesis.chain_id.hex() == sha256(out.read_bytes()).hex()
    assert [it["organisation"] for it in data["organisations"]] == ["org-0", "org-1", "org-2", "org-3", "site-0"]
    assert data["quorum"] == 3


def test_the_chain_id_is_shown_in_groups(commands: Commands, tmp_path: Path) -> None:
    file = assembled(commands, tmp_path)
    digest = sha256(file.read_bytes()).hex()
    shown = " ".join(commands("genesis", "show", file).out.split())  # it is longer than a line
    assert " ".join(digest[place : place + 4] for place in range(0, 64, 4)) in shown


def test_a_changed_genesis_file_is_refused(commands: Commands, tmp_path: Path) -> None:
    file = assembled(commands, tmp_path)
    file.write_bytes(file.read_bytes().replace(b"org-3", b"org-4"))
    ran = commands("genesis", "show", file, "--format", "json")
    assert (ran.code, ran.envelope["errors"][0]["code"]) == (1, "invalid-signature")


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--from", "EXPORT"),
        ("blocks", "--from", "EXPORT"),
        ("participant", "enrol", "--operator-key", "KEY", "--name", "site", "--key", "SITE"),
        ("node", "start", "--home", "HOME"),
    ],
)
def test_a_damaged_genesis_file_is_no_verdict_on_anything(
    commands: Commands, tmp_path: Path, exported: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "damaged.json"
    file.write_bytes((exported / "genesis.json").read_bytes()[:-9])
    commands("key", "new", "--out", tmp_path / "KEY", "--purpose", "operator")
    commands("key", "new", "--out", tmp_path / "SITE")
    commands("node", "init", "--home", tmp_path / "HOME", "--organisation", "org-0")
    places = {"EXPORT": exported, **{name: tmp_path / name for name in ("KEY", "SITE", "HOME")}}
    ran = commands(*(places.get(it, it) for it in arguments), "--genesis", file, "--format", "json")
    assert ran.code == 2
    assert f"genesis file {file}: not a genesis file" in ran.envelope["errors"][0]["message"]


def test_too_few_validators_make_no_chain(commands: Commands, tmp_path: Path) -> None:
    descriptors = [init(commands, tmp_path, number) for number in range(3)]
    ran = commands("genesis", "assemble", *descriptors, "--chain", "trial", "--out", tmp_path / "genesis.json")
    assert ran.code == 2
    assert "these descriptors make no chain: validator set: expected 4 to 25 members, got 3" in ran.err
    assert not (tmp_path / "genesis.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("node", "init", "--home", "HOME", "--organisation", "Org 0"),
        ("node", "init", "--home", "HOME", "--organisation", "org-0", "--link", "nowhere"),
        ("organisation", "init", "--home", "HOME", "--name", "-"),
    ],
)
def test_what_is_no_name_or_address_is_refused_before_anything_is_made(
    commands: Commands, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    assert commands(*(home if item == "HOME" else item for item in arguments)).code == 2
    assert not home.exists()


def test_nothing_is_ever_overwritten(commands: Commands, tmp_path: Path) -> None:
    file = assembled(commands, tmp_path)
    before = file.read_bytes()
    home = tmp_path / "org-0"
    assert commands("genesis", "assemble", home / "descriptor.json", "--chain", "x", "--out", file).code in {1, 2}
    assert commands("node", "init", "--home", home, "--organisation", "org-0").code == 2
    assert commands("organisation", "init", "--home", home, "--name", "org-0").code == 2
    assert commands("key", "new", "--out", home / "keys" / "vote.key").code == 2
    assert file.read_bytes() == before


def test_each_setting_is_shown_with_its_origin(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(commands, tmp_path, 0)
    monkeypatch.setenv("QUORATE_TIMING__VIEW_MS", "2500")
    rows = commands.data("config", "check", "--home", tmp_path / "org-0")
    settings = {row["name"]: (row["value"], row["origin"]) for row in rows}
    assert settings["timing.view_ms"] == (2500, "environment QUORATE_TIMING__VIEW_MS")
    assert settings["rest.listen"] == ("127.0.0.1:7451", "file node.toml")
    assert settings["rest.wait_ms_max"] == (30_000, "default")


def test_the_environment_names_the_home(commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init(commands, tmp_path, 0)
    monkeypatch.setenv("QUORATE_HOME", str(tmp_path / "org-0"))
    assert commands("config", "check").code == 0


def test_a_misspelt_setting_is_refused_with_a_suggestion(commands: Commands, tmp_path: Path) -> None:
    init(commands, tmp_path, 0)
    with (tmp_path / "org-0" / "node.toml").open("a") as file:
        file.write("[timing]\nview_msec = 5\n")
    ran = commands("config", "check", "--home", tmp_path / "org-0")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean view_ms?" in ran.err


@pytest.mark.parametrize("purpose", ["vote", "service", "log-head", "operator", "participant"])
def test_a_key_is_made_and_its_public_half_shown(commands: Commands, tmp_path: Path, purpose: str) -> None:
    file = tmp_path / "a.key"
    made = commands.data("key", "new", "--purpose", purpose, "--out", file)
    assert made == commands.data("key", "show", file)
    assert made["purpose"] == purpose
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_secret_half_is_never_shown(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    ran = [commands("key", "new", "--out", file), commands("key", "show", file, "--format", "json")]
    seed = json.loads(file.read_text())["seed"]
    assert not any(seed in it.out + it.err for it in ran)


def test_a_key_that_others_may_read_is_refused(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    commands("key", "new", "--out", file)
    file.chmod(0o644)
    assert commands("key", "show", file).code == 2


def test_what_is_no_key_is_refused_without_repeating_it(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    file.write_text('{"purpose": "secret recipe"}')
    file.chmod(0o600)
    ran = commands("key", "show", file)
    assert ran.code == 2
    assert "secret recipe" not in ran.err


def test_a_task_is_prepared_from_a_safetensors_file(commands: Commands, tmp_path: Path) -> None:
    tensors = {
        "fc.weight": np.full((2, 3), 0.5, np.float32),
        "bn.running_mean": np.zeros(3, np.float32),
        "bn.num_batches_tracked": np.array(7),
    }
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    out = tmp_path / "task"
    data = commands.data(
        "task", "init", "--from-model", tmp_path / "model.safetensors", "--out", out, "--name", "cardio"
    )
    layout = decode_layout((out / "layout.quorate").read_bytes())
    roles = {tensor.name: tensor.role for tensor in layout.tensors}
    assert roles == {
        "bn.num_batches_tracked": Role.LOCAL,
        "bn.running_mean": Role.STATISTIC,
        "fc.weight": Role.WEIGHT,
    }
    assert (data["layout"], data["weights"]) == (layout.digest.hex(), 6)
    assert (out / "model.safetensors").read_bytes() == import_model(layout, tensors)
    assert sha256((tmp_path / "model.safetensors").read_bytes()).hex() in (out / "task.toml").read_text()


def test_a_task_is_not_prepared_over_another(commands: Commands, tmp_path: Path) -> None:
    safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, tmp_path / "model")
    assert commands("task", "init", "--from-model", tmp_path / "model", "--out", tmp_path).code == 2


def test_a_pickle_is_refused(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x04\x95" + bytes(100))
    ran = commands("task", "init", "--from-model", tmp_path / "model.pt", "--out", tmp_path / "task")
    assert ran.code == 2
    assert "pickles are never read" in ran.err
    assert not (tmp_path / "task").exists()


def test_an_update_is_inspected_without_a_network(commands: Commands, tmp_path: Path, chain: TrainedChain) -> None:
    (tmp_path / "layout").write_bytes(chain.blobs[LAYOUT.digest])
    row = {tensor.name: np.full(tensor.elements, 2**10, np.int32) for tensor in LAYOUT.tensors}
    (tmp_path / "update").write_bytes(encode_update(LAYOUT, row))
    data = commands.data("update", "inspect", tmp_path / "update", "--layout", tmp_path / "layout")
    weights = 15
    assert int(data["norm_squared"]) == weights * 2**40
    assert (data["value_max"], data["elements"]) == (2**10, 17)
    assert (
        "norm:     0.00378" in commands("update", "inspect", tmp_path / "update", "--layout", tmp_path / "layout").out
    )


def test_an_update_that_would_be_refused_is_a_negative_verdict(
    commands: Commands, tmp_path: Path, chain: TrainedChain
) -> None:
    (tmp_path / "layout").write_bytes(chain.blobs[LAYOUT.digest])
    (tmp_path / "update").write_bytes(chain.blobs[chain.task.model])
    ran = commands("update", "inspect", tmp_path / "update", "--layout", tmp_path / "layout")
    assert (ran.code, ran.out) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("blocks",), "node-unreachable"),
        (("status",), "node-unreachable"),
        (("verify",), "node-unreachable"),
        (("export", "FOLDER"), "node-unreachable"),
    ],
)
def test_a_node_that_is_down_is_unreachable(
    commands: Commands, tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    given = [tmp_path / "out" if item == "FOLDER" else item for item in arguments]
    ran = commands(*given, "--node", "http://127.0.0.1:1", "--format", "json")
    assert (ran.code, ran.envelope["errors"][0]["code"]) == (3, code)
