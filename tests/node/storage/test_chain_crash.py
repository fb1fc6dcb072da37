"""A killed node finds its chain after some block: never inside one, and never without one it called durable."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from node.storage.chain_store import ChainStore
from node.storage.leveldb import LevelDb
from tests.consortium import consortium
from tests.node.storage.chains import check_whole, extend, grow

MEMBERS = consortium()
REPOSITORY = Path(__file__).parents[3]


def killed_after(lines: int, directory: Path) -> int:
    """Let a process append, kill it some while after its `lines`-th report, and return the last height reported."""
    command = [sys.executable, "-m", "tests.node.storage.appender", str(directory)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.kill()
        reported = process.stdout.read().split()
    return int(reported[-1]) if reported else 0


def test_every_block_called_durable_survives_a_kill_at_a_random_moment(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(6):
        reported = killed_after(chance.randrange(12), tmp_path / "database")
        kv = LevelDb(tmp_path / "database")
        store = ChainStore(kv, MEMBERS.genesis)
        assert store.head.header.height >= reported
        check_whole(store, MEMBERS)
        grow(MEMBERS, store, 1)
        kv.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Return a database that was left as by a kill, and the length of its log after each append."""
    live = tmp_path_factory.mktemp("crash") / "live"
    kv = LevelDb(live)
    store = ChainStore(kv, MEMBERS.genesis)
    ends = [length_of_log(live)]
    for run in (1, 2, 1):
        store.append_many(extend(MEMBERS, store.tip(), blocks=run))
        ends.append(length_of_log(live))
    image = live.with_name("image")
    shutil.copytree(live, image)
    kv.close()
    return image, ends


def length_of_log(directory: Path) -> int:
    (log,) = directory.glob("*.log")
    return log.stat().st_size


def test_a_log_cut_at_any_byte_holds_whole_appends_only(written: tuple[Path, list[int]], tmp_path: Path) -> None:
    image, ends = written
    heights = [0, 1, 3, 4]
    points = {point + step for point in ends for step in (-1, 0, 1) if point + step <= ends[-1]}
    points |= set(random.Random(3).sample(range(ends[-1]), 40))
    for point in sorted(points):
        copy = tmp_path / "copy"
        shutil.copytree(image, copy)
        (log,) = copy.glob("*.log")
        log.write_bytes(log.read_bytes()[:point])
        kv = LevelDb(copy)
        store = ChainStore(kv, MEMBERS.genesis)
        appended = [height for height, end in zip(heights, ends, strict=True) if end <= point]
        assert store.head.header.height == (appended[-1] if appended else 0)
        check_whole(store, MEMBERS)
        kv.close()
        shutil.rmtree(copy)
