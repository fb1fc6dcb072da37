"""LevelDB under this node's rules: one process, no silent loss, no write after a failed one."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.storage.errors import DatabaseDamaged, HomeInUse, StorageFailed
from node.storage.leveldb import LevelDb
from tests.node.storage.limits import files_at_most


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "home" / "database"


@pytest.fixture
def store(directory: Path) -> Iterator[LevelDb]:
    made = LevelDb(directory)
    yield made
    made.close()


def log_of(directory: Path) -> Path:
    (log,) = directory.glob("*.log")
    return log


def test_a_second_process_is_told_that_another_node_runs_here(store: LevelDb, directory: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from node.storage.leveldb import LevelDb\n"
        "from ledger.errors import QuorateError\n"
        "try: LevelDb(Path(sys.argv[1]))\n"
        "except QuorateError as error: print(error.code, error.hint)\n"
    )
    store.write({b"a": b"1"}, sync=True)
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("home-in-use Another node runs on this home")


def test_the_lock_is_free_again_after_closing(store: LevelDb, directory: Path) -> None:
    with pytest.raises(HomeInUse):
        LevelDb(directory)
    store.close()
    LevelDb(directory).close()


def test_a_directory_that_cannot_be_made_is_a_failure_and_no_bug(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed):
        LevelDb(tmp_path / "file" / "database")


def test_damage_in_the_middle_of_the_log_refuses_to_open_instead_of_dropping_a_write(tmp_path: Path) -> None:
    original = tmp_path / "original"
    store = LevelDb(original)
    for number in range(20):
        store.write({b"key %d" % number: bytes(500)}, sync=True)
    store.close()
    length = log_of(original).stat().st_size
    for place in range(0, length, length // 10):
        copy = tmp_path / f"copy {place}"
        shutil.copytree(original, copy)
        content = bytearray(log_of(copy).read_bytes())
        content[place] ^= 1
        log_of(copy).write_bytes(content)
        with pytest.raises(DatabaseDamaged):
            LevelDb(copy)


def test_a_log_that_ends_early_opens_without_its_last_incomplete_write(tmp_path: Path) -> None:
    original = tmp_path / "original"
    store = LevelDb(original)
    ends = []
    for number in range(4):
        store.write({b"a": b"%d" % number, b"b": b"%d" % number * 300}, sync=True)
        ends.append(log_of(original).stat().st_size)
    store.close()
    for length in range(0, ends[-1], 41):
        copy = tmp_path / f"copy {length}"
        shutil.copytree(original, copy)
        log_of(copy).write_bytes(log_of(original).read_bytes()[:length])
        again = LevelDb(copy)
        whole = sum(end <= length for end in ends)
        expected = b"%d" % (whole - 1) if whole else None
        assert again.get(b"a") == expected
        assert again.get(b"b") == (expected and expected * 300)
        again.close()


def test_a_damaged_value_in_a_table_is_never_read_as_another(tmp_path: Path) -> None:
    values = [random.Random(number).randbytes(200) for number in range(100)]
    store = LevelDb(tmp_path / "database")
    store.write({b"key %03d" % number: value for number, value in enumerate(values)}, sync=True)
    store.close()
    LevelDb(tmp_path / "database").close()  # recovery turns the log into a table
    (table,) = tmp_path.glob("database/*.ldb")
    content = bytearray(table.read_bytes())
    content[content.index(values[50]) + 100] ^= 1
    table.write_bytes(content)
    store = LevelDb(tmp_path / "database")
    with pytest.raises(DatabaseDamaged):
        store.get(b"key 050")
    with pytest.raises(DatabaseDamaged):
        list(store.scan(b""))
    store.close()


def test_after_a_failed_write_no_other_is_taken(store: LevelDb, directory: Path) -> None:
    store.write({b"before": b"1"}, sync=True)
    with files_at_most(100_000), pytest.raises(StorageFailed):
        store.write({b"large": bytes(1_000_000)}, sync=True)
    with pytest.raises(StorageFailed, match="refuses writes"):
        store.write({b"after": b"1"}, sync=True)
    store.close()
    again = LevelDb(directory)
    assert list(again.scan(b"")) == [(b"before", b"1")]
    again.close()
