"""Key files as `node.keystore` writes them, and everything that is wrong with others."""

from pathlib import Path

import msgspec
import pytest

from ledger.errors import ConfigurationError
from ledger.keyfile import KEY_FILE_BYTES_MAX
from node.keystore import KeyPurpose, create_key
from participant.keyfile import load_key


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key(tmp_path / "site.key", KeyPurpose.PARTICIPANT)
    return tmp_path / "site.key"


def rewrite(path: Path, **changes: str) -> None:
    document = {**msgspec.json.decode(path.read_bytes()), **changes}
    path.write_bytes(msgspec.json.encode(document))


def test_the_key_that_was_written_is_read(tmp_path: Path) -> None:
    made = create_key(tmp_path / "site.key", KeyPurpose.PARTICIPANT)
    assert load_key(tmp_path / "site.key", "participant").seed() == made.seed()
    made = create_key(tmp_path / "operator.key", KeyPurpose.OPERATOR)
    assert load_key(tmp_path / "operator.key", "operator").seed() == made.seed()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"expected 0600 .*, got {mode:04o}"):
        load_key(key_file, "participant")


def test_a_key_for_another_use_is_refused(key_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected one for operator, got one for participant"):
        load_key(key_file, "operator")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.key"):
        load_key(tmp_path / "nothing.key", "participant")


def test_a_huge_file_is_not_read(key_file: Path) -> None:
    key_file.write_bytes(b" " * (KEY_FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigurationError, match="size of"):
        load_key(key_file, "participant")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "quorate-key-2"},
        {"public": "00" * 32},
        {"seed": "zz"},
        {"seed": "00"},
        {"seed": "00" * 32},
        {"more": ""},
    ],
)
def test_a_damaged_key_is_refused_without_being_shown(key_file: Path, changes: dict[str, str]) -> None:
    seed = msgspec.json.decode(key_file.read_bytes())["seed"]
    rewrite(key_file, **changes)
    with pytest.raises(ConfigurationError) as caught:
        load_key(key_file, "participant")
    assert seed not in str(caught.value)


def test_what_is_no_json_is_refused(key_file: Path) -> None:
    key_file.write_bytes(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(ConfigurationError, match="expected quorate-key-1, got something else") as caught:
        load_key(key_file, "participant")
    assert caught.value.__cause__ is None
