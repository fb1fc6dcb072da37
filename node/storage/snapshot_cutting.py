"""Cutting a state into ranges: from the pairs as the database yields them, by key, to one file a range, by path.

Runs in the worker process, since a path is a hash and every pair is hashed twice. Pairs arrive in a plain file; of a
state that is too large to be sorted in memory, groups of neighbouring ranges are put into files of their own first.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from ledger.encoding import encode
from ledger.errors import InvalidProof, TooLarge
from ledger.hashing import Digest
from ledger.state_ranges import DEPTH_MAX, RangeRoot, StateRange, build_range, join_ranges, range_of
from ledger.state_tree import path_of
from node.storage.files import disk, sync_directory

RANGE_BYTES = 2 * 2**20
"""Most bytes of pairs in a range, where more ranges can bring that about: what a peer sends in one go."""
RANGE_BYTES_MAX = 16 * 2**20
"""Longest file of a range: above it nobody would fetch one."""
GROUP_BYTES = 32 * 2**20
"""Bytes of pairs that are sorted in memory at a time."""

Pair: TypeAlias = tuple[bytes, bytes]

_LENGTHS = struct.Struct(">II")
_BUFFER_BYTES = 2**20


def write_pairs(file: BinaryIO, pairs: Iterable[Pair]) -> int:
    """Append pairs to a file as they come; return how many bytes that was."""
    data = b"".join(part for key, value in pairs for part in (_LENGTHS.pack(len(key), len(value)), key, value))
    file.write(data)
    return len(data)


def read_pairs(path: Path) -> Iterator[Pair]:
    """Yield the pairs that were appended to a file."""
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        while lengths := file.read(_LENGTHS.size):
            key, value = _LENGTHS.unpack(lengths)
            yield file.read(key), file.read(value)


def range_name(index: int) -> str:
    """Return the name of a range's file."""
    return f"range-{index:05}"


def cut_state(source: Path, folder: Path, state_root: Digest, *, range_bytes: int = RANGE_BYTES) -> list[RangeRoot]:
    """Write the ranges of the state in `source` into `folder`, durably; return their roots.

    Raises InvalidProof where the pairs are not those of the state root, TooLarge, or StorageFailed.
    """
    with disk(f"snapshot {folder}"):
        sizes, largest = _sizes(read_pairs(source))
        depth = _depth(sizes, min(max(range_bytes, 2 * largest), RANGE_BYTES_MAX))
        roots: list[RangeRoot] = []
        for group, first in _groups(source, folder, sum(sizes), depth):
            paths = sorted((path_of(key), key, value) for key, value in group)
            last = first + (1 << depth) // max(1, _group_count(sum(sizes), depth))
            at = 0
            for index in range(first, last):
                start = at
                while at < len(paths) and range_of(paths[at][0], depth) == index:
                    at += 1
                pairs = tuple((key, value) for _, key, value in paths[start:at])
                root, _ = build_range(pairs, depth=depth, index=index)
                roots.append(root)
                write_durably(folder / range_name(index), encode(StateRange(pairs=pairs)))
        sync_directory(folder)
    reached, _ = join_ranges(roots)
    if reached != state_root:
        raise InvalidProof("state root of a snapshot", expected=state_root.hex(), got=reached.hex())
    return roots


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and sync it; its name is durable once its folder is synced."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sizes(pairs: Iterable[Pair]) -> tuple[list[int], int]:
    """Return the bytes of pairs in each of the most ranges there can be, and those of the largest pair."""
    sizes, largest = [0] * (1 << DEPTH_MAX), 0
    for key, value in pairs:
        size = _LENGTHS.size + len(key) + len(value)
        sizes[range_of(path_of(key), DEPTH_MAX)] += size
        largest = max(largest, size)
    return sizes, largest


def _depth(sizes: list[int], range_bytes: int) -> int:
    """Return the least depth at which no range is larger than `range_bytes`, or the greatest; raises TooLarge.

    Members of the chain can choose keys whose paths meet in one range, so it is the largest range that decides. No
    depth makes a range smaller than its largest pair, which is why the caller allows for that.
    """
    for depth in range(DEPTH_MAX + 1):
        width = 1 << (DEPTH_MAX - depth)
        if max(sum(sizes[start : start + width]) for start in range(0, len(sizes), width)) <= range_bytes:
            return depth
    if max(sizes) > RANGE_BYTES_MAX:
        raise TooLarge("range of the state", expected=f"at most {RANGE_BYTES_MAX} bytes", got=max(sizes))
    return DEPTH_MAX


def _group_count(total: int, depth: int) -> int:
    return 1 << min(depth, (total // GROUP_BYTES).bit_length())


def _groups(source: Path, folder: Path, total: int, depth: int) -> Iterator[tuple[Iterator[Pair], int]]:
    """Yield the pairs of neighbouring ranges, a group at a time, with the number of the group's first range."""
    count = _group_count(total, depth)
    if count == 1:
        yield read_pairs(source), 0
        return
    bits = count.bit_length() - 1
    names = [folder / f"group-{number:05}" for number in range(count)]
    _spread(read_pairs(source), names, lambda key: range_of(path_of(key), bits))
    for number, name in enumerate(names):
        yield read_pairs(name), number << (depth - bits)
        name.unlink()


def _spread(pairs: Iterable[Pair], names: list[Path], group_of: Callable[[bytes], int]) -> None:
    waiting: list[list[Pair]] = [[] for _ in names]
    size = 0

    def flush() -> None:
        for name, group in zip(names, waiting, strict=True):
            with name.open("ab") as file:
                write_pairs(file, group)
            group.clear()

    for key, value in pairs:
        waiting[group_of(key)].append((key, value))
        size += _LENGTHS.size + len(key) + len(value)
        if size > GROUP_BYTES:
            flush()
            size = 0
    flush()
