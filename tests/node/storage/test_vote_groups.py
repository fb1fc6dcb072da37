"""The vote log's bytes: what a crash leaves is cut, anything else is refused."""

import random
import struct
import zlib
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.hashing import ZERO_DIGEST, sha256
from node.storage.errors import ForeignChain, UnsupportedSchema, VoteLogDamaged
from node.storage.vote_groups import (
    GROUP_OVERHEAD_BYTES,
    HEADER_BYTES,
    MARKER_BYTES,
    Position,
    new_file,
    new_group,
    recover,
)

CHAIN = sha256(b"chain")
MARKER = bytes(range(1, 9))
SECTOR_BYTES = 512
"""What a disk writes as a whole."""

Groups = list[list[bytes]]
groups_of_records = st.lists(st.lists(st.binary(max_size=700), min_size=1, max_size=4), max_size=5)
some_groups = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=3), min_size=2, max_size=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log with the places where its groups end."""

    data: bytes
    ends: list[int]
    position: Position


def log_of(groups: Groups) -> Log:
    data, position = new_file(CHAIN, MARKER)
    ends = [len(data)]
    for records in groups:
        group, position = new_group(records, position)
        data += group
        ends.append(len(data))
    return Log(data=data, ends=ends, position=position)


def flat(groups: Groups) -> tuple[bytes, ...]:
    return tuple(record for records in groups for record in records)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)


EXAMPLE = [[b"first", b""], [b"second"], [b"third", b"fourth", b"fifth"], [b"last"]]


@settings(deadline=None)
@given(groups=groups_of_records)
def test_what_was_written_is_read_back_and_the_next_group_goes_behind_it(groups: Groups) -> None:
    log = log_of(groups)
    recovered, position = recover(log.data, chain_id=CHAIN)
    assert recovered.records == flat(groups)
    assert recovered.torn_bytes == 0
    assert position == log.position


def test_every_shorter_file_holds_the_groups_that_are_whole_and_no_others() -> None:
    log = log_of(EXAMPLE)
    for length in range(HEADER_BYTES, len(log.data) + 1):
        recovered, position = recover(log.data[:length], chain_id=CHAIN)
        whole = sum(end <= length for end in log.ends[1:])
        assert recovered.records == flat(EXAMPLE[:whole])
        assert position.end == log.ends[whole]
        assert recovered.torn_bytes == length - position.end


@pytest.mark.parametrize("length", [0, 1, HEADER_BYTES - 1])
def test_a_file_without_its_whole_header_is_damaged_as_it_is_made_durable_before_it_is_named(length: int) -> None:
    with pytest.raises(VoteLogDamaged, match=f"expected {HEADER_BYTES} bytes, got {length}"):
        recover(log_of(EXAMPLE).data[:length], chain_id=CHAIN)


def test_every_bit_flip_before_the_last_group_is_refused() -> None:
    log = log_of(EXAMPLE)
    for bit in range(log.ends[-2] * 8):
        with pytest.raises(VoteLogDamaged):
            recover(flipped(log.data, bit), chain_id=CHAIN)


def test_every_bit_flip_in_the_last_group_looks_like_a_torn_write() -> None:
    log = log_of(EXAMPLE)
    for bit in range(log.ends[-2] * 8, len(log.data) * 8):
        recovered, position = recover(flipped(log.data, bit), chain_id=CHAIN)
        assert recovered.records == flat(EXAMPLE[:-1])
        assert position.end == log.ends[-2]


@settings(deadline=None)
@given(groups=some_groups, chance=st.randoms(use_true_random=False), length=st.integers(1, 30))
def test_any_damage_before_the_last_group_is_refused(groups: Groups, chance: random.Random, length: int) -> None:
    log = log_of(groups)
    start = chance.randrange(log.ends[-2])
    end = min(start + length, log.ends[-2])
    damaged = log.data[:start] + chance.randbytes(end - start) + log.data[end:]
    assume(damaged != log.data)
    with pytest.raises(VoteLogDamaged):
        recover(damaged, chain_id=CHAIN)


@settings(deadline=None)
@given(groups=some_groups, records=st.lists(st.binary(max_size=3000), min_size=1, max_size=3), data=st.data())
def test_a_write_of_which_only_some_sectors_arrived_is_cut(
    groups: Groups, records: list[bytes], data: st.DataObject
) -> None:
    before = log_of(groups)
    after = before.data + new_group(records, before.position)[0]
    length = data.draw(st.integers(len(before.data), len(after)))
    old = before.data + bytes(length - len(before.data))
    arrived = data.draw(
        st.lists(st.booleans(), min_size=length // SECTOR_BYTES + 1, max_size=length // SECTOR_BYTES + 1)
    )
    torn = b"".join(
        (after if here else old)[number * SECTOR_BYTES : min((number + 1) * SECTOR_BYTES, length)]
        for number, here in enumerate(arrived)
    )
    recovered, position = recover(torn, chain_id=CHAIN)
    whole = torn == after
    assert recovered.records == flat([*groups, records] if whole else groups)
    assert position.end == (len(after) if whole else len(before.data))


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_group_that_is_missing_between_others_is_refused(gone: int) -> None:
    log = log_of(EXAMPLE)
    start, end = list(pairwise(log.ends))[gone]
    with pytest.raises(VoteLogDamaged, match="predecessor of the group"):
        recover(log.data[:start] + log.data[end:], chain_id=CHAIN)


def test_a_group_that_stands_twice_is_refused() -> None:
    log = log_of(EXAMPLE)
    with pytest.raises(VoteLogDamaged, match="predecessor of the group"):
        recover(log.data + log.data[log.ends[-2] :], chain_id=CHAIN)


def test_a_bad_group_before_a_torn_one_is_refused() -> None:
    log = log_of(EXAMPLE)
    torn = log.data[: log.ends[-2] + MARKER_BYTES]
    with pytest.raises(VoteLogDamaged, match=f"more at byte {log.ends[-2]}"):
        recover(flipped(torn, (log.ends[-2] - 1) * 8), chain_id=CHAIN)


def test_a_bad_group_before_bytes_that_no_longer_say_what_they_are_is_refused() -> None:
    log = log_of(EXAMPLE)
    damaged = flipped(log.data[: log.ends[-2]], (log.ends[-2] - 1) * 8)
    with pytest.raises(VoteLogDamaged, match=f"more at byte {log.ends[-2]}"):
        recover(damaged + bytes(5), chain_id=CHAIN)


def test_a_record_that_imitates_a_group_of_another_marker_is_only_a_record() -> None:
    forged, _ = new_group([b"forged"], Position(marker=bytes(8), end=0, checksum=0))
    log = log_of([[b"vote"], [forged * 3]])
    assert recover(log.data, chain_id=CHAIN)[0].records == (b"vote", forged * 3)
    assert recover(log.data[:-1], chain_id=CHAIN)[0].records == (b"vote",)


def test_a_group_of_another_file_is_no_group_of_this_one() -> None:
    log = log_of(EXAMPLE)
    stale, _ = new_group([b"stale"], replace(log.position, marker=bytes(8)))
    recovered, position = recover(log.data + stale, chain_id=CHAIN)
    assert recovered.records == flat(EXAMPLE)
    assert position == log.position


def test_a_group_whose_checksums_are_right_and_whose_records_are_not_is_refused() -> None:
    data, position = new_file(CHAIN, MARKER)
    group, _ = new_group([b"x"], position)
    broken = bytearray(group)
    broken[GROUP_OVERHEAD_BYTES] = 0xC1  # no value of MessagePack begins so
    start = struct.pack(
        ">8sIII",
        MARKER,
        len(group) - GROUP_OVERHEAD_BYTES,
        position.checksum,
        zlib.crc32(broken[GROUP_OVERHEAD_BYTES:]),
    )
    broken[:GROUP_OVERHEAD_BYTES] = start + struct.pack(">I", zlib.crc32(start))
    with pytest.raises(VoteLogDamaged, match="records of the group"):
        recover(data + bytes(broken), chain_id=CHAIN)


def test_the_log_of_another_chain_is_refused() -> None:
    with pytest.raises(ForeignChain):
        recover(log_of(EXAMPLE).data, chain_id=ZERO_DIGEST)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(EXAMPLE)
    monkeypatch.setattr("node.storage.vote_groups.VERSION", 2)
    with pytest.raises(UnsupportedSchema, match="expected 2, got 1"):
        recover(log.data, chain_id=CHAIN)
