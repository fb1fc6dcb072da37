"""The vote log's bytes: how records are framed, and what a file that was found at start still says.

The file is a header and then **groups**: the records that one sync made durable, written at once, and only after the
sync of the group before. Each group begins with the file's marker (random, so no peer can plant it in a record),
names the checksum of the group before, and is covered by checksums of its own.

    header   magic 8, version 4, chain id 32, marker 8, CRC-32 of these 4
    group    marker 8, length of the payload 4, checksum of the group before 4, CRC-32 of the payload 4,
             CRC-32 of these 4: the group's checksum; payload: the records

What a crash can do follows from the order of writing: it tears the last group, whose sync had not returned, and nothing
else. Its votes had not left. So the bytes after the last good group are **cut** only if nothing shows that they had
been synced; they are **damage** when

1. the marker stands again behind their first one: a later group was begun, which happens only after the sync of this
   one; or
2. their group, by the length it states under its checksum, ends before the file does: there is something behind it; or
3. their group names another predecessor under its checksum: a group between is missing.

A rewritten file is synced as a whole before it takes the log's name; a group without records ends it, so that damage
anywhere in it falls under 1.

What cannot be told apart from a crash, and is therefore cut: damage within the last group alone, and a file that
somebody shortened or replaced by an older copy. The first is one sync wide; the second only the operator can do.
"""

import mmap
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ledger.encoding import decode, encode
from ledger.errors import InputError
from ledger.hashing import Digest
from node.storage.errors import ForeignChain, UnsupportedSchema, VoteLogDamaged

Bytes: TypeAlias = bytes | mmap.mmap

MAGIC = b"QRTVOTES"
VERSION = 1
MARKER_BYTES = 8

_HEADER = struct.Struct(">8sI32s8s")
_GROUP = struct.Struct(">8sIII")
_CHECKSUM = struct.Struct(">I")

HEADER_BYTES = _HEADER.size + _CHECKSUM.size
GROUP_OVERHEAD_BYTES = _GROUP.size + _CHECKSUM.size

_RECORDS = tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the next group goes, and what it must name."""

    marker: bytes
    end: int
    """Bytes of the file that are good."""
    checksum: int
    """That of the last group, or of the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a vote log held when it was opened."""

    records: tuple[bytes, ...]
    torn_bytes: int
    """Length of the tail that was cut; zero after an orderly stop. Worth a warning: its group was never sent."""


def new_file(chain_id: Digest, marker: bytes) -> tuple[bytes, Position]:
    """Return the bytes of an empty log with a fresh random marker."""
    assert len(marker) == MARKER_BYTES
    header = _HEADER.pack(MAGIC, VERSION, chain_id, marker)
    checksum = zlib.crc32(header)
    return header + _CHECKSUM.pack(checksum), Position(marker=marker, end=HEADER_BYTES, checksum=checksum)


def new_group(records: Sequence[bytes], after: Position) -> tuple[bytes, Position]:
    """Return the bytes of a group at a position, and the position behind it."""
    payload = encode(tuple(records))
    start = _GROUP.pack(after.marker, len(payload), after.checksum, zlib.crc32(payload))
    checksum = zlib.crc32(start)
    group = start + _CHECKSUM.pack(checksum) + payload
    return group, Position(marker=after.marker, end=after.end + len(group), checksum=checksum)


def recover(data: Bytes, *, chain_id: Digest) -> tuple[Recovered, Position]:
    """Return the records of a file, and where to go on once the torn tail behind that position is cut.

    Raises UnsupportedSchema, ForeignChain or VoteLogDamaged.
    """
    position = _read_header(data, chain_id)
    records: list[bytes] = []
    while (group := _read_group(data, position)) is not None:
        held, position = group
        records += held
    torn = len(data) - position.end
    if torn:
        _check_torn(data, position)
    return Recovered(records=tuple(records), torn_bytes=torn), position


def _read_header(data: Bytes, chain_id: Digest) -> Position:
    if len(data) < HEADER_BYTES:
        raise VoteLogDamaged("header of the vote log", expected=f"{HEADER_BYTES} bytes", got=len(data))
    magic, version, chain, marker = _HEADER.unpack_from(data)
    (stated,) = _CHECKSUM.unpack_from(data, _HEADER.size)
    checksum = zlib.crc32(data[: _HEADER.size])
    if magic != MAGIC or stated != checksum:
        raise VoteLogDamaged("checksum of the vote log's header", expected=f"{stated:08x}", got=f"{checksum:08x}")
    if version != VERSION:
        raise UnsupportedSchema("version of the vote log", expected=VERSION, got=version)
    if chain != chain_id:
        raise ForeignChain("chain id of the vote log", expected=chain_id.hex(), got=chain.hex())
    return Position(marker=marker, end=HEADER_BYTES, checksum=checksum)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GroupStart:
    """What a group states about itself, under its checksum."""

    begin: int
    """First byte of the payload."""
    end: int
    """First byte behind it; may lie behind the end of the file."""
    payload_checksum: int
    checksum: int


def _read_start(data: Bytes, at: Position) -> _GroupStart | None:
    """Return the start of the group at a position, or None if none stands there; raises VoteLogDamaged (rule 3)."""
    begin = at.end + GROUP_OVERHEAD_BYTES
    if begin > len(data):
        return None
    marker, length, previous, payload_checksum = _GROUP.unpack_from(data, at.end)
    (stated,) = _CHECKSUM.unpack_from(data, at.end + _GROUP.size)
    checksum = zlib.crc32(data[at.end : at.end + _GROUP.size])
    if marker != at.marker or stated != checksum:
        return None
    if previous != at.checksum:
        raise VoteLogDamaged(
            f"predecessor of the group at byte {at.end}", expected=f"{at.checksum:08x}", got=f"{previous:08x}"
        )
    return _GroupStart(begin=begin, end=begin + length, payload_checksum=payload_checksum, checksum=checksum)


def _read_group(data: Bytes, at: Position) -> tuple[tuple[bytes, ...], Position] | None:
    """Return the records of the group at a position, or None if no good group stands there."""
    start = _read_start(data, at)
    if start is None or start.end > len(data):
        return None
    payload = data[start.begin : start.end]
    if zlib.crc32(payload) != start.payload_checksum:
        return None
    try:
        records = decode(payload, _RECORDS)
    except InputError as error:
        raise VoteLogDamaged(f"records of the group at byte {at.end}: {error}") from error
    return records, Position(marker=at.marker, end=start.end, checksum=start.checksum)


def _check_torn(data: Bytes, good: Position) -> None:
    """Raise VoteLogDamaged unless the bytes behind the last good group may be what a crash left of one group."""
    behind = data.find(good.marker, good.end + MARKER_BYTES)
    start = _read_start(data, good)
    if behind < 0 and start is not None and start.end < len(data):
        behind = start.end
    if behind >= 0:
        raise VoteLogDamaged(
            f"vote log at byte {good.end}", expected=f"a good group, as there is more at byte {behind}", got="a bad one"
        )
