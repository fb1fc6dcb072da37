"""The vote log as a file: what it returns, what it refuses, and who may hold it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import TooLarge
from ledger.hashing import ZERO_DIGEST
from node.storage import vote_log
from node.storage.errors import (
    ForeignChain,
    HomeInUse,
    StorageFailed,
    VoteLogDamaged,
    VoteLogExists,
    VoteLogMissing,
)
from node.storage.vote_groups import GROUP_OVERHEAD_BYTES, HEADER_BYTES
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


def test_a_new_log_holds_nothing(log: VoteLog, path: Path) -> None:
    log.close()
    assert held(path) == ()


def test_records_come_back_in_order(log: VoteLog, path: Path) -> None:
    add(log, b"one", b"two")
    add(log, b"three")
    log.close()
    assert held(path) == (b"one", b"two", b"three")


def test_one_sync_covers_all_that_was_appended_before_it(log: VoteLog, path: Path) -> None:
    log.append([b"one"])
    log.append([b"two", b"three"])
    log.sync()
    log.append([b"never synced"])
    log.close()
    assert held(path) == (b"one", b"two", b"three")


def test_a_sync_asks_the_disk_once_and_without_records_not_at_all(
    log: VoteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counting(monkeypatch, "fdatasync")
    log.sync()
    assert not calls
    log.append([b"one"])
    log.append([b"two"])
    log.sync()
    assert len(calls) == 1


def test_appending_goes_on_behind_what_was_opened(log: VoteLog, path: Path) -> None:
    add(log, b"one")
    log.close()
    again, _ = VoteLog.open(path, chain_id=CHAIN)
    add(again, b"two")
    again.close()
    assert held(path) == (b"one", b"two")


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["append", "sync", "rewrite", "reopen"]), st.lists(st.binary(max_size=50), max_size=3)
        ),
        max_size=12,
    )
)
def test_the_log_is_a_list_of_synced_records(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[bytes]]]
) -> None:
    path = tmp_path_factory.mktemp("votes") / "votes.log"
    log = VoteLog.create(path, chain_id=CHAIN)
    synced: list[bytes] = []
    pending: list[bytes] = []
    for step, records in steps:
        match step:
            case "append":
                log.append(records)
                pending += records
            case "sync":
                log.sync()
                synced, pending = synced + pending, []
            case "rewrite":
                log.rewrite(records)
                synced = records
            case _:
                log.close()
                pending = []
                log, recovered = VoteLog.open(path, chain_id=CHAIN)
                assert list(recovered.records) == synced
    log.close()
    assert list(held(path)) == synced


def test_creating_over_a_log_is_refused(log: VoteLog, path: Path) -> None:
    log.close()
    with pytest.raises(VoteLogExists):
        VoteLog.create(path, chain_id=CHAIN)


def test_opening_a_missing_log_is_refused_and_makes_nothing(path: Path) -> None:
    with pytest.raises(VoteLogMissing):
        VoteLog.open(path, chain_id=CHAIN)
    assert list(path.parent.iterdir()) == []


def test_the_log_of_another_chain_is_refused(log: VoteLog, path: Path) -> None:
    log.close()
    with pytest.raises(ForeignChain):
        VoteLog.open(path, chain_id=ZERO_DIGEST)


def test_b8_a_damaged_log_is_refused_and_left_as_it_is(log: VoteLog, path: Path) -> None:
    add(log, b"one")
    add(log, b"two")
    log.close()
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + GROUP_OVERHEAD_BYTES] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(VoteLogDamaged):
            VoteLog.open(path, chain_id=CHAIN)
    assert path.read_bytes() == content


def test_an_empty_file_is_damage(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(VoteLogDamaged, match="size of vote log"):
        VoteLog.open(path, chain_id=CHAIN)


def test_b8_a_torn_tail_is_cut_and_reported_at_every_length(log: VoteLog, path: Path) -> None:
    ends = [path.stat().st_size]
    for number in range(3):
        add(log, b"record %d" % number, b"second")
        ends.append(path.stat().st_size)
    log.close()
    whole = path.read_bytes()
    for length in range(HEADER_BYTES, len(whole)):
        path.write_bytes(whole[:length])
        again, recovered = VoteLog.open(path, chain_id=CHAIN)
        groups = sum(end <= length for end in ends[1:])
        assert len(recovered.records) == 2 * groups
        assert recovered.torn_bytes == length - ends[groups]
        assert again.size == path.stat().st_size == ends[groups]
        add(again, b"new")
        again.close()
        assert held(path) == (*recovered.records, b"new")


def test_two_openings_exclude_each_other(log: VoteLog, path: Path) -> None:
    with pytest.raises(HomeInUse):
        VoteLog.open(path, chain_id=CHAIN)
    log.close()
    VoteLog.open(path, chain_id=CHAIN)[0].close()


def test_another_process_cannot_vote_with_this_log_even_after_a_rewrite(log: VoteLog, path: Path) -> None:
    log.rewrite([b"kept"])
    program = (
        "import sys; from pathlib import Path; from node.storage.vote_log import VoteLog\n"
        "from ledger.errors import QuorateError\n"
        "try: VoteLog.open(Path(sys.argv[1]), chain_id=bytes.fromhex(sys.argv[2]))\n"
        "except QuorateError as error: print(error.code, error.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), CHAIN.hex()], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "home-in-use 2\n"


def test_a_rewrite_keeps_what_it_is_given_and_what_waits_for_the_next_sync(log: VoteLog, path: Path) -> None:
    add(log, b"old", b"kept")
    log.append([b"pending"])
    log.rewrite([b"kept"])
    log.sync()
    add(log, b"new")
    log.close()
    assert held(path) == (b"kept", b"pending", b"new")
    assert not list(path.parent.glob("*.new"))


def test_a_rewrite_shortens_the_file(log: VoteLog, path: Path) -> None:
    add(log, bytes(10_000))
    before = log.size
    log.rewrite([b"kept"])
    assert log.size == path.stat().st_size < before - 9_000


def test_a_closed_log_refuses_use_and_closes_twice(log: VoteLog) -> None:
    log.close()
    log.close()
    with pytest.raises(StorageFailed):
        log.append([b"x"])


def test_more_than_one_sync_may_hold_is_refused_before_it_is_kept(
    log: VoteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vote_log, "GROUP_BYTES_MAX", 10)
    log.append([b"123456"])
    with pytest.raises(TooLarge, match="expected at most 10 bytes, got 11"):
        log.append([b"12345"])
    with pytest.raises(TooLarge):
        log.rewrite([bytes(11)])
    log.append([b"1234"])
    log.sync()
    log.close()
    assert held(path) == (b"123456", b"1234")


def test_a_log_that_nobody_cuts_stops_at_its_limit(log: VoteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vote_log, "LOG_BYTES_MAX", log.size + 100)
    with pytest.raises(StorageFailed, match="expected at most"):
        add(log, bytes(200))


def test_a_log_that_cannot_be_made_leaves_no_lock_behind(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        VoteLog.create(tmp_path / "none" / "votes.log", chain_id=CHAIN)
    with files_at_most(10), pytest.raises(StorageFailed):
        VoteLog.create(tmp_path / "votes.log", chain_id=CHAIN)
    VoteLog.create(tmp_path / "votes.log", chain_id=CHAIN).close()
