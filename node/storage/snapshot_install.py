"""From verified ranges to the chain's database, in one step that a crash can only undo or finish.

A fresh database is built beside the old one, in the folder of what was fetched. Renaming it to `chain.new` is the
decision; the next start, before it opens anything, lets it take the old one's place:

    chain        the database in use; moved to chain.old while chain.new takes its name
    chain.new    whole and synced, above the height of `chain`
    chain.old    no longer needed

Whatever instant the process is killed at, the start after it finds either the old chain or the new one.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ledger import state_keys
from ledger.encoding import encode
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.hashing import sha256
from ledger.quantities import Era, Height
from ledger.snapshots import SnapshotManifest
from ledger.state_ranges import StateRange, join_ranges, verify_range
from node.storage import schema
from node.storage.errors import SnapshotUnusable
from node.storage.files import disk, sync_directory
from node.storage.kv import KeyValueStore
from node.storage.leveldb import LevelDb

CHAIN = "chain"
NEW = "chain.new"
OLD = "chain.old"


def write_snapshot(
    kv: KeyValueStore, manifest: SnapshotManifest, ranges: Iterable[StateRange], genesis: Genesis
) -> None:
    """Fill an empty database with the state after a verified checkpoint; the last write makes it one.

    Every range is verified again on its way. Raises InvalidProof, SnapshotUnusable or StorageFailed.
    """
    members = None
    # Each write is synced: LevelDB syncs only the log it is writing, and a large state takes several.
    for index, part in enumerate(ranges):
        batch: dict[bytes, bytes | None] = {schema.state(key): value for key, value in part.pairs}
        records = verify_range(manifest.ranges[index], part.pairs, depth=manifest.depth, index=index)
        batch.update((schema.tree_node(position), record) for position, record in records.items())
        members = batch.get(schema.state(state_keys.VALIDATORS), members)
        kv.write(batch, sync=True)
    root, above = join_ranges(manifest.ranges)
    if root != manifest.header.state_root or members is None or sha256(members) != manifest.header.next_validators:
        raise SnapshotUnusable("state of the snapshot", expected=manifest.header.state_root.hex(), got=root.hex())
    kv.write({schema.tree_node(position): record for position, record in above.items()}, sync=True)
    kv.write(_chain_records(manifest, genesis, members), sync=True)


def make_ready(built: Path, data: Path) -> None:
    """Decide for a database that was built and closed: from now on it replaces the chain at the next start."""
    with disk(f"database {data / NEW}"):
        if (data / NEW).exists():
            shutil.rmtree(data / NEW)
        built.rename(data / NEW)
        sync_directory(data)


def switch_database(data: Path) -> Height | None:
    """Let a database that is ready take the chain's place, and return its height; called before anything is opened.

    One that is not above the chain in use is removed. Raises HomeInUse, DatabaseDamaged or StorageFailed.
    """
    chain, new, old = (data / name for name in (CHAIN, NEW, OLD))
    installed = None
    with disk(f"database {data}"):
        if chain.exists():
            shutil.rmtree(old, ignore_errors=True)
        if new.exists():
            height = _height(new)
            if chain.exists() and _height(chain) >= height:
                new.rename(old)
            else:
                if chain.exists():
                    chain.rename(old)
                    sync_directory(data)
                new.rename(chain)
                installed = height
            sync_directory(data)
        if chain.exists():
            shutil.rmtree(old, ignore_errors=True)
    return installed


def build_database(
    folder: Path, manifest: SnapshotManifest, ranges: Callable[[], Iterable[StateRange]], genesis: Genesis
) -> None:
    """Make a database of a snapshot in a folder that may hold what a crash has left of an earlier try."""
    with disk(f"database {folder}"):
        shutil.rmtree(folder, ignore_errors=True)
    database = LevelDb(folder)
    try:
        write_snapshot(database, manifest, ranges(), genesis)
    except InvalidProof as error:
        raise SnapshotUnusable(f"ranges in {folder.parent}: {error}") from error
    finally:
        database.close()


def _height(folder: Path) -> Height:
    """Return the height of the head in a database; -1 for one that is empty."""
    database = LevelDb(folder)
    try:
        found = database.get(schema.HEAD)
    finally:
        database.close()
    return Height(-1 if found is None else int.from_bytes(found, "big"))


def _chain_records(manifest: SnapshotManifest, genesis: Genesis, members: bytes) -> dict[bytes, bytes | None]:
    """Return what later blocks, proofs and certificates need of the heights up to the checkpoint."""
    header = manifest.header
    batch: dict[bytes, bytes | None] = {
        schema.SCHEMA: str(schema.SCHEMA_VERSION).encode(),
        schema.CHAIN: genesis.chain_id,
        schema.HEAD: schema.number(header.height),
        schema.BASE: schema.number(header.height),
        schema.FRONTIER: encode(manifest.frontier),
        schema.body(Height(0)): encode(genesis.block.transactions),
        schema.validators(Era(0)): encode(genesis.validators.members),
        schema.validators(Era(header.era + (header.next_validators != header.validators))): members,
    }
    certified = [(boundary.header, boundary.certificate) for boundary in manifest.boundaries]
    for one, certificate in [(genesis.block.header, None), *certified, (header, manifest.certificate)]:
        batch[schema.header(one.height)] = encode(one)
        batch[schema.height_of(one.digest)] = schema.number(one.height)
        if certificate is not None:
            batch[schema.certificate(one.height)] = encode(certificate)
    for boundary in manifest.boundaries:
        batch[schema.validators(Era(boundary.header.era + 1))] = encode(boundary.members)
    batch.update((schema.log_node(level, index), node) for level, index, node in manifest.frontier.nodes())
    return batch
