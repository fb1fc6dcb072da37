"""Key files: private, single-purpose, never overwritten, never echoed."""

import os
import stat
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from node import keystore
from node.keystore import KeyPurpose, create_key, load_key


def test_a_key_is_read_back(tmp_path: Path) -> None:
    made = create_key(tmp_path / "vote.key", KeyPurpose.VOTE)
    assert load_key(tmp_path / "vote.key", KeyPurpose.VOTE).public == made.public


def test_a_new_key_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    create_key(tmp_path / "vote.key", KeyPurpose.VOTE)
    assert stat.S_IMODE((tmp_path / "vote.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "vote.key"
    create_key(file, KeyPurpose.VOTE)
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match="0600"):
        load_key(file, KeyPurpose.VOTE)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    create_key(tmp_path / "vote.key", KeyPurpose.VOTE)
    before = (tmp_path / "vote.key").read_bytes()
    with pytest.raises(ConfigurationError, match="exists"):
        create_key(tmp_path / "vote.key", KeyPurpose.VOTE)
    assert (tmp_path / "vote.key").read_bytes() == before


def test_a_key_for_another_purpose_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "any.key", KeyPurpose.SERVICE)
    with pytest.raises(ConfigurationError, match="expected one for vote, got one for service"):
        load_key(tmp_path / "any.key", KeyPurpose.VOTE)


@pytest.mark.parametrize("damage", [b"", b"{}", b"secret seed 00ff", b'{"format": 1}', b"\xff" * 40])
def test_a_damaged_file_is_refused_without_repeating_it(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "vote.key"
    file.write_bytes(damage)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        load_key(file, KeyPurpose.VOTE)
    assert "00ff" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_whose_halves_differ_is_refused(tmp_path: Path) -> None:
    first = create_key(tmp_path / "a.key", KeyPurpose.VOTE)
    second = create_key(tmp_path / "b.key", KeyPurpose.VOTE)
    text = (tmp_path / "a.key").read_text().replace(first.public.hex(), second.public.hex())
    (tmp_path / "a.key").write_text(text)
    with pytest.raises(ConfigurationError, match="damaged"):
        load_key(tmp_path / "a.key", KeyPurpose.VOTE)


def test_a_huge_file_is_refused_before_reading(tmp_path: Path) -> None:
    file = tmp_path / "vote.key"
    file.write_bytes(b" " * 5_000)
    os.chmod(file, 0o600)  # noqa: PTH101 - the mode is the point
    with pytest.raises(ConfigurationError, match="at most 4096"):
        load_key(file, KeyPurpose.VOTE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"vote\.key"):
        load_key(tmp_path / "vote.key", KeyPurpose.VOTE)


def test_a_seed_that_is_too_short_is_a_damaged_file(tmp_path: Path) -> None:
    made = create_key(tmp_path / "vote.key", KeyPurpose.VOTE)
    text = (tmp_path / "vote.key").read_text().replace(made.seed().hex(), "00ff")
    (tmp_path / "vote.key").write_text(text)
    with pytest.raises(ConfigurationError, match="something else"):
        load_key(tmp_path / "vote.key", KeyPurpose.VOTE)


def test_the_name_of_a_new_key_is_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(keystore, "sync_directory", synced.append)
    create_key(tmp_path / "keys" / "vote.key", KeyPurpose.VOTE)
    assert synced == [tmp_path / "keys", tmp_path]
    create_key(tmp_path / "keys" / "service.key", KeyPurpose.SERVICE)
    assert synced[2:] == [tmp_path / "keys"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"expected to write .*vote\.key"):
        create_key(tmp_path / "home" / "keys" / "vote.key", KeyPurpose.VOTE)
