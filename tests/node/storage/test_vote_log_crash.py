"""The vote log over kills and failing disks: durable before it says so, and never used again after a failure."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.storage import vote_log
from node.storage.errors import (
    StorageFailed,
    VoteLogDamaged,
)
from node.storage.vote_log import VoteLog
from tests.node.storage.limits import files_at_most
from tests.node.storage.votes import CHAIN, add, counting, held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "votes.log"


@pytest.fixture
def log(path: Path) -> Iterator[VoteLog]:
    made = VoteLog.create(path, chain_id=CHAIN)
    yield made
    made.close()


def test_what_a_killed_process_wrote_and_did_not_sync_is_synced_before_it_counts(
    log: VoteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, b"one")
    log.close()
    calls = counting(monkeypatch, "fsync")
    assert held(path) == (b"one",)
    assert len(calls) == 1


def test_a_rewrite_is_synced_before_it_takes_the_name_and_its_name_after(
    log: VoteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    rename, sync = Path.replace, os.fsync

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    def synced(descriptor: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(os, "fsync", synced)
    log.rewrite([b"kept"])
    assert steps == ["file", "rename", "directory"]


def test_every_damaged_byte_of_a_rewritten_record_is_noticed(log: VoteLog, path: Path) -> None:
    log.rewrite([b"kept", b"kept too"])
    log.close()
    whole = path.read_bytes()
    end = whole.index(b"kept too") + len(b"kept too")
    for place in range(end):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(VoteLogDamaged):
            VoteLog.open(path, chain_id=CHAIN)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("step", "survives"), [("fsync", b"old"), ("replace", b"old"), ("after", b"kept")])
def test_a_crash_in_a_rewrite_leaves_one_of_both_contents(
    log: VoteLog, path: Path, monkeypatch: pytest.MonkeyPatch, step: str, survives: bytes
) -> None:
    def crash(*_: object) -> None:
        raise Crash

    points: dict[str, tuple[object, str]] = {
        "fsync": (os, "fsync"),
        "replace": (Path, "replace"),
        "after": (vote_log, "sync_directory"),
    }
    add(log, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(*points[step], crash)
        with pytest.raises(Crash):
            log.rewrite([b"kept"])
    log.close()
    assert held(path) == (survives,)
    assert not list(path.parent.glob("*.new"))


def fail_with_sync(log: VoteLog) -> None:
    add(log, bytes(10_000))


def fail_with_rewrite(log: VoteLog) -> None:
    log.rewrite([bytes(10_000)])


@pytest.mark.parametrize("failing", [fail_with_sync, fail_with_rewrite])
def test_after_a_failed_write_the_log_refuses_everything_and_opens_as_it_was(
    log: VoteLog, path: Path, failing: Callable[[VoteLog], None]
) -> None:
    add(log, b"before")
    with files_at_most(5_000), pytest.raises(StorageFailed):
        failing(log)
    with pytest.raises(StorageFailed, match="refuses use"):
        log.append([b"x"])
    with pytest.raises(StorageFailed, match="refuses use"):
        log.sync()
    with pytest.raises(StorageFailed, match="refuses use"):
        log.rewrite([])
    log.close()
    again, recovered = VoteLog.open(path, chain_id=CHAIN)
    again.close()
    assert recovered.records == (b"before",)


def test_a_failed_sync_is_never_tried_again(log: VoteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refuse)
        with pytest.raises(StorageFailed, match="Input/output error"):
            add(log, b"vote")
    with pytest.raises(StorageFailed, match="refuses use"):
        log.sync()


WRITER = """
import sys
from pathlib import Path
from node.storage.vote_log import VoteLog
log = VoteLog.create(Path(sys.argv[1]), chain_id=bytes.fromhex(sys.argv[2]))
number = 0
while True:
    log.append([b"%d" % number * 700, b"%d" % (number + 1)])
    log.sync()
    number += 2
    print(number, flush=True)
    if number % 10 == 0:
        log.rewrite([b"%d" % kept for kept in range(number)])
"""


def test_b8_no_record_that_a_killed_process_called_durable_is_missing(tmp_path: Path) -> None:
    for attempt, lines in enumerate([1, 3, 5, 17, 40]):
        path = tmp_path / f"votes {attempt}.log"
        command = [sys.executable, "-c", WRITER, str(path), CHAIN.hex()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                assert process.stdout.readline()
            process.kill()
            rest = process.stdout.read().split()
        reported = int(rest[-1]) if rest else 2 * lines
        log, recovered = VoteLog.open(path, chain_id=CHAIN)
        log.close()
        assert len(recovered.records) >= reported
