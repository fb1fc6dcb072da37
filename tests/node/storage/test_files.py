"""System calls that durability rests on."""

import errno
import os
from pathlib import Path

import pytest

from node.storage.errors import StorageFailed, StorageFull
from node.storage.files import disk, sync_directory, write_all


def test_a_write_that_is_taken_in_parts_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:7]))
    with (tmp_path / "file").open("wb") as file:
        write_all(file.fileno(), bytes(range(100)))
    assert (tmp_path / "file").read_bytes() == bytes(range(100))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_missing_room_is_told_from_other_failures(number: int) -> None:
    with pytest.raises(StorageFull), disk("write", no_room=StorageFull):
        raise OSError(number, os.strerror(number))


def test_a_refusal_says_what_was_tried_and_what_the_system_said() -> None:
    with pytest.raises(StorageFailed, match=r"^lock of x: Permission denied$"), disk("lock of x"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_directory_that_is_missing_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "none")
