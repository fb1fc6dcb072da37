"""What a node that is joining has fetched so far: the manifest it believes, and the ranges that it has verified.

A range gets its name once it is verified and on disk, so a restart goes on where the last one stopped. Everything is
verified once more when the database is built from it, since a disk may have changed it meanwhile.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from ledger.encoding import decode, encode
from ledger.errors import InputError, InvalidProof
from ledger.snapshots import SnapshotManifest
from ledger.state_ranges import StateRange, verify_range
from node.storage.errors import SnapshotUnusable
from node.storage.files import disk, sync_directory
from node.storage.snapshot_cutting import RANGE_BYTES_MAX, range_name, write_durably
from node.storage.snapshot_shelf import MANIFEST

DATABASE = "database"
"""Folder, beside the ranges, in which the database is built."""
_PART = ".part"


class FetchedRanges:
    """The ranges of one checkpoint that are here. Calls must not overlap each other."""

    def __init__(self, folder: Path, manifest: SnapshotManifest) -> None:
        """Use `begin` or `resume`."""
        self.folder = folder
        self.manifest = manifest
        self._missing = {index for index in range(len(manifest.ranges)) if not (folder / range_name(index)).exists()}

    @classmethod
    def resume(cls, folder: Path) -> Self | None:
        """Return what was begun in a folder, or None; the caller verifies its manifest."""
        try:
            return cls(folder, decode((folder / MANIFEST).read_bytes(), SnapshotManifest))
        except (OSError, InputError):
            return None

    @classmethod
    def begin(cls, folder: Path, manifest: SnapshotManifest) -> Self:
        """Begin with a verified manifest; what was fetched for another checkpoint is removed."""
        with disk(f"fetched ranges {folder}"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            write_durably(folder / (MANIFEST + _PART), encode(manifest))
            (folder / (MANIFEST + _PART)).rename(folder / MANIFEST)
            sync_directory(folder)
        return cls(folder, manifest)

    @property
    def missing(self) -> list[int]:
        """Numbers of the ranges that are not here yet, ascending."""
        return sorted(self._missing)

    @property
    def missing_count(self) -> int:
        """How many are not here yet."""
        return len(self._missing)

    @property
    def is_complete(self) -> bool:
        """Whether all of them are here."""
        return not self._missing

    def has(self, index: int) -> bool:
        """Return whether a range is here."""
        return index not in self._missing

    def put(self, index: int, data: bytes) -> None:
        """Keep a range that somebody sent, once it is verified; raises InputError or InvalidProof if it is not it."""
        part = decode(data, StateRange, bytes_max=RANGE_BYTES_MAX)
        verify_range(self.manifest.ranges[index], part.pairs, depth=self.manifest.depth, index=index)
        name = self.folder / range_name(index)
        arriving = name.with_name(name.name + _PART)
        with disk(f"range {name}"):
            arriving.unlink(missing_ok=True)
            write_durably(arriving, data)
            arriving.rename(name)
        self._missing.discard(index)

    def ranges(self) -> Iterator[StateRange]:
        """Yield all ranges in order; raises SnapshotUnusable for one that cannot be read."""
        for index in range(len(self.manifest.ranges)):
            name = self.folder / range_name(index)
            try:
                yield decode(name.read_bytes(), StateRange)
            except (OSError, InputError) as error:
                raise SnapshotUnusable(f"range {name}", expected="the range that was fetched", got=error) from error

    def drop_damaged(self) -> None:
        """Remove the ranges that the disk has changed since they were verified, so that they are fetched again."""
        for index, root in enumerate(self.manifest.ranges):
            name = self.folder / range_name(index)
            try:
                part = decode(name.read_bytes(), StateRange)
                verify_range(root, part.pairs, depth=self.manifest.depth, index=index)
            except (OSError, InputError, InvalidProof):
                name.unlink(missing_ok=True)
                self._missing.add(index)

    def remove(self) -> None:
        """Remove everything that was fetched."""
        with disk(f"fetched ranges {self.folder}"):
            shutil.rmtree(self.folder, ignore_errors=True)
