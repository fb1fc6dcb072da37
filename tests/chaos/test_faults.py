"""Faults are drawn as their seed says, and damage is what it says it is."""

from itertools import islice
from pathlib import Path
from random import Random

import pytest

from ledger.hashing import Digest, sha256
from node.config import load
from node.storage.errors import VoteLogDamaged
from node.storage.vote_log import VoteLog
from tests.chaos import damage
from tests.chaos.cluster import WHOLE_CHAINS
from tests.chaos.faults import OF_ONE, OF_PRIMARY, ON_LINKS, Fault, Kind, draw, rules_of
from tests.chaos.links import Link
from tests.chaos.runs import kinds_possible, schedule

CHAIN = Digest(sha256(b"chain"))


def test_a_seed_draws_the_same_faults_again() -> None:
    first, again, other = (list(islice(schedule(seed, list(Kind), size=7), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("size", [4, 7])
def test_no_more_than_f_validators_ever_lose_votes(size: int) -> None:
    drawn = [draw(Random(seed), Kind.LAST_RECORD, size=size) for seed in range(50)]
    assert {fault.victims for fault in drawn} == {(size - 1,)}


def test_every_kind_comes_once_before_any_comes_again() -> None:
    kinds = [fault.kind for fault in islice(schedule(1, list(Kind), size=4), 2 * len(Kind))]
    rounds = kinds[: len(Kind)], kinds[len(Kind) :]
    assert [set(one) for one in rounds] == [set(Kind)] * 2
    assert rounds[0] != rounds[1]


def test_victims_exist_and_a_fault_says_what_it_is() -> None:
    drawn = list(islice(schedule(1, list(Kind), size=4), 500))
    assert all(place in range(4) for fault in drawn for place in fault.victims)
    assert all(str(fault).startswith(fault.kind) for fault in drawn)


def test_whom_a_fault_hits_is_drawn_unless_its_kind_says_so() -> None:
    drawn = list(islice(schedule(1, list(Kind), size=7), 500))
    assert {fault.kind for fault in drawn if not fault.victims} == OF_PRIMARY | {Kind.KILL_ALL, Kind.LOSS, Kind.DELAY}
    assert {len(fault.victims) for fault in drawn if fault.kind in OF_ONE | {Kind.LAST_RECORD}} == {1}


def test_faults_of_links_are_left_out_where_links_cannot_fail() -> None:
    assert set(kinds_possible(can_fail=False)) == set(Kind) - ON_LINKS
    assert kinds_possible([Kind.LOSS, Kind.KILL], can_fail=False) == [Kind.KILL]


def test_a_cut_is_between_the_groups_and_nowhere_else() -> None:
    halves = Fault(kind=Kind.HALVES, victims=(0, 1), seconds=1)
    assert set(rules_of(halves, halves.victims, size=4)) == {
        *("0>2", "0>3", "1>2", "1>3"),
        *("2>0", "3>0", "2>1", "3>1"),
    }
    deaf = Fault(kind=Kind.ONE_WAY, victims=(3,), seconds=1, outward=False)
    assert rules_of(deaf, (3,), size=4) == {f"{it}>3": Link(blocked=True) for it in range(3)}


@pytest.fixture
def vote_log(tmp_path: Path) -> Path:
    path = tmp_path / "vote.log"
    log = VoteLog.create(path, chain_id=CHAIN)
    for number in range(5):
        log.append([b"record %d" % number])
        log.sync()
    log.close()
    return path


def _recovered(path: Path) -> tuple[int, int]:
    log, recovered = VoteLog.open(path, chain_id=CHAIN)
    log.close()
    return len(recovered.records), recovered.torn_bytes


@pytest.mark.parametrize("seed", range(20))
def test_a_torn_log_keeps_every_record(vote_log: Path, seed: int) -> None:
    length = damage.tear(vote_log, Random(seed), chain_id=CHAIN)
    assert _recovered(vote_log) == (5, length)


@pytest.mark.parametrize("seed", range(20))
def test_the_last_record_is_what_is_lost(vote_log: Path, seed: int) -> None:
    damage.flip_last_record(vote_log, Random(seed))
    kept, torn = _recovered(vote_log)
    assert kept == 4
    assert torn


@pytest.mark.parametrize("seed", range(20))
def test_damage_before_the_last_record_is_refused(vote_log: Path, seed: int) -> None:
    damage.flip_earlier_record(vote_log, Random(seed))
    with pytest.raises(VoteLogDamaged):
        _recovered(vote_log)


def test_whose_database_is_taken_away_is_told_to_fetch_every_block(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(WHOLE_CHAINS)
    assert not load(file, environment={}).configuration.snapshots.join
