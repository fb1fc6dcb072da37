"""What disks do: a record that is there in part, a bit that is another one, no room."""

import resource
from pathlib import Path
from random import Random

from ledger.hashing import Digest
from node.storage.vote_groups import GROUP_OVERHEAD_BYTES, HEADER_BYTES, MARKER_BYTES, new_group, recover
from tests.acceptance.processes import ValidatorProcess

DATABASE = Path("data") / "chain"
VOTE_LOG = Path("data") / "vote.log"
_MARKER_AT = HEADER_BYTES - 4 - MARKER_BYTES


def tear(log: Path, chance: Random, *, chain_id: Digest) -> int:
    """Leave a part of a next group at the end of a vote log, as a crash does before its sync; return its length."""
    data = log.read_bytes()
    _, position = recover(data, chain_id=chain_id)
    group, _ = new_group([chance.randbytes(200)], position)
    part = group[: chance.randint(1, len(group) - 1)]
    log.write_bytes(data[: position.end] + part)
    return len(part)


def groups(log: Path) -> list[int]:
    """Return where the groups of a vote log begin."""
    data = log.read_bytes()
    marker = data[_MARKER_AT : _MARKER_AT + MARKER_BYTES]
    found, at = [], data.find(marker, HEADER_BYTES)
    while at >= 0:
        found.append(at)
        at = data.find(marker, at + 1)
    return found


def flip_last_record(log: Path, chance: Random) -> None:
    """Change one bit of the payload of the last group."""
    start = groups(log)[-1] + GROUP_OVERHEAD_BYTES
    flip(log, chance.randrange(start, log.stat().st_size), chance)


def flip_earlier_record(log: Path, chance: Random) -> None:
    """Change one bit of the payload of a group that is not the last."""
    places = groups(log)
    place = chance.randrange(len(places) - 1)
    flip(log, chance.randrange(places[place] + GROUP_OVERHEAD_BYTES, places[place + 1]), chance)


def flip(file: Path, at: int, chance: Random) -> None:
    """Change one bit of a byte."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def flip_database(database: Path, chance: Random) -> str:
    """Change one bit of a file of a LevelDB database that holds records; return what was done."""
    files = sorted(it for it in database.iterdir() if it.suffix in {".ldb", ".log"} and it.stat().st_size > 0)
    file = chance.choice(files)
    at = chance.randrange(file.stat().st_size)
    flip(file, at, chance)
    return f"byte {at} of {file.stat().st_size} of {file.name}"


def leave_no_room(validator: ValidatorProcess, file: Path) -> None:
    """Let no file of a running validator grow beyond the present length of one of them.

    RLIMIT_FSIZE, set from outside: the write fails as on a full disk (EFBIG instead of ENOSPC), needs no privilege and
    no file system of its own. It ends with the process.
    """
    _, hard = resource.prlimit(validator.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(validator.pid, resource.RLIMIT_FSIZE, (file.stat().st_size, hard))
