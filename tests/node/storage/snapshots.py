"""Snapshots of real chains for tests: made as a node makes them, and installed as a node installs them."""

import io
from pathlib import Path

from ledger.encoding import decode
from ledger.quantities import Era
from ledger.snapshots import SnapshotManifest
from ledger.state_ranges import StateRange
from node.storage.chain_store import ChainStore
from node.storage.snapshot_cutting import cut_state, range_name, write_pairs


def cut(store: ChainStore, folder: Path, *, range_bytes: int = 1_500) -> SnapshotManifest:
    """Cut the state after the head into ranges in a new folder; return the manifest."""
    folder.mkdir()
    pairs = io.BytesIO()
    write_pairs(pairs, store.state.scan(b""))
    source = folder / "pairs"
    source.write_bytes(pairs.getvalue())
    head = store.head
    roots = cut_state(source, folder, head.header.state_root, range_bytes=range_bytes)
    source.unlink()
    assert head.certificate is not None
    return SnapshotManifest(
        boundaries=store.boundaries(Era(head.header.era)),
        header=head.header,
        certificate=head.certificate,
        frontier=store.tip().frontier,
        ranges=tuple(roots),
    )


def ranges_in(folder: Path, manifest: SnapshotManifest) -> list[StateRange]:
    """Return the ranges of a snapshot's folder."""
    names = (folder / range_name(index) for index in range(len(manifest.ranges)))
    return [decode(name.read_bytes(), StateRange) for name in names]


def check_joined(joined: ChainStore, source: ChainStore) -> None:
    """Assert that a chain that began with a snapshot stands where the other one does, with the same state and tree."""
    assert joined.head.header == source.head.header
    assert dict(joined.state.scan(b"")) == dict(source.state.scan(b""))
    assert joined.tip().frontier == source.tip().frontier
    assert joined.header(joined.base) == source.header(joined.base)
    assert joined.boundaries(Era(joined.head.header.era)) == source.boundaries(Era(source.head.header.era))
