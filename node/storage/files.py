"""The few system calls that durability rests on, with their failures turned into our errors.

A new name is durable only once its directory was synced, and a failed sync is never tried again: the kernel may have
dropped the dirty pages, so a second one would report success for bytes that are lost (Rebello et al., USENIX ATC 2020).
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.storage.errors import StorageError, StorageFailed

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk(what: str, *, no_room: type[StorageError] = StorageFailed) -> Iterator[None]:
    """Turn a refusal of the operating system during `what` into StorageFailed, or `no_room` where space is short."""
    try:
        yield
    except OSError as error:
        kind = no_room if error.errno in _NO_ROOM else StorageFailed
        raise kind(f"{what}: {error.strerror or error}") from error


def free_bytes(directory: Path) -> int:
    """Return how many bytes this process may still write where a directory is; raises StorageFailed."""
    with disk(f"free space of {directory}"):
        return shutil.disk_usage(directory).free


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` where the descriptor stands; one system call may take only a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, where the system can (Windows cannot)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
