"""The snapshots that a node keeps for others: one folder a checkpoint, which has its name only once it is whole.

<height>/manifest        SnapshotManifest
<height>/range-00012     StateRange
<height>.making/         one that is being made; what a crash leaves of it is removed at the next start
"""

import shutil
import time
from pathlib import Path
from typing import BinaryIO

from ledger.encoding import decode, encode
from ledger.quantities import Height
from ledger.snapshots import SnapshotManifest
from node.storage.files import disk, sync_directory
from node.storage.snapshot_cutting import range_name, write_durably

MANIFEST = "manifest"
MANIFEST_BYTES_MAX = 32 * 2**20
MAKING = ".making"
LEASE_SECONDS = 60.0
"""How long a superseded snapshot is kept after the last question for it: whoever is fetching it may finish."""
LEASED_MAX = 4
"""Most snapshots kept, however many are asked for."""


class SnapshotShelf:
    """The snapshots of one node. `finish` may run in a thread beside `open_manifest` and `open_range`, nothing else."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        """Open or create; removes what was being made when the node ended."""
        self._folder = folder
        self._keep = keep
        self._asked: dict[Height, float] = {}
        with disk(f"snapshots {folder}"):
            folder.mkdir(mode=0o700, exist_ok=True)
            for leftover in folder.glob(f"*{MAKING}"):
                shutil.rmtree(leftover)

    def heights(self) -> list[Height]:
        """Return the heights of whole snapshots, ascending."""
        with disk(f"snapshots {self._folder}"):
            return sorted(Height(int(entry.name)) for entry in self._folder.iterdir() if entry.name.isdecimal())

    def newest(self) -> Height | None:
        """Return the height of the newest one."""
        return max(self.heights(), default=None)

    def manifest(self, height: Height) -> SnapshotManifest:
        """Return the manifest of a whole snapshot; raises StorageFailed."""
        with disk(f"snapshot {height}"):
            return decode((self._folder / str(height) / MANIFEST).read_bytes(), SnapshotManifest)

    def begin(self, height: Height) -> Path:
        """Return an empty folder for the snapshot of a height."""
        making = self._folder / f"{height}{MAKING}"
        with disk(f"snapshot {height}"):
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(mode=0o700)
        return making

    def finish(self, manifest: SnapshotManifest) -> None:
        """Give a snapshot whose ranges are durable its manifest and its name, then remove superseded ones."""
        height = manifest.height
        making, final = self._folder / f"{height}{MAKING}", self._folder / str(height)
        with disk(f"snapshot {height}"):
            write_durably(making / MANIFEST, encode(manifest))
            sync_directory(making)
            if final.exists():
                shutil.rmtree(making)
            else:
                making.rename(final)
            sync_directory(self._folder)
        self.prune()

    def abandon(self, height: Height) -> None:
        """Remove what was being made."""
        shutil.rmtree(self._folder / f"{height}{MAKING}", ignore_errors=True)

    def prune(self) -> None:
        """Remove the snapshots that newer ones supersede, save for those that somebody is fetching."""
        now = time.monotonic()
        heights = self.heights()
        for place, height in enumerate(reversed(heights)):
            leased = now - self._asked.get(height, -LEASE_SECONDS) < LEASE_SECONDS
            if place >= self._keep and not (leased and place < LEASED_MAX):
                dropped = self._folder / f"{height}{MAKING}"  # no longer whole from the first file removed
                with disk(f"snapshot {height}"):
                    (self._folder / str(height)).rename(dropped)
                    shutil.rmtree(dropped)
                self._asked.pop(height, None)

    def open_manifest(self) -> BinaryIO | None:
        """Open the newest manifest for a peer, or return none."""
        newest = self.newest()
        return None if newest is None else self._open(newest, MANIFEST)

    def open_range(self, height: Height, index: int) -> BinaryIO | None:
        """Open a range for a peer, or return none where it is not here."""
        return self._open(height, range_name(index))

    def _open(self, height: Height, name: str) -> BinaryIO | None:
        self._asked[height] = time.monotonic()
        try:
            return (self._folder / str(height) / name).open("rb")
        except OSError:
            self._asked.pop(height, None)
            return None
