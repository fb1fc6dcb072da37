"""Backups of a node's home: the chain and its blobs, never the vote log.

A vote log that is older than the last vote lets a validator sign two blocks at one height, so no backup holds one, and
a restored home is marked as one whose vote key has voted: it follows the chain and votes again only once a membership
transaction has given it a new vote key. LevelDB belongs to one process at a time and files that it writes are of no use
one by one, so a node must be stopped; f of them may be.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts import queries
from ledger import state_tree
from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from ledger.hashing import Digest
from node.archive import (
    FORMAT,
    ArchivedFile,
    BackupDamaged,
    Manifest,
    list_files,
    read_archive,
    read_manifest,
    write_archive,
)
from node.home import Home
from node.runtime.status import software_version
from node.storage.chain_store import ChainStore, Head
from node.storage.errors import HomeInUse
from node.storage.files import disk, sync_directory
from node.storage.leveldb import LevelDb
from node.storage.vote_log import locked

CHAIN = "data/chain"
KEPT = (CHAIN, "data/blobs.index", "data/blobs")
"""Folders that a backup holds; everything else below `data` is of one process or can be made again."""
TOP = ("genesis.json", "node.toml", "descriptor.json")
MARK = "vote.used"
LOCKS = {"LOCK", "LOG", "LOG.old"}
"""Files of LevelDB that say nothing about the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a chain database was found to hold."""

    chain: str
    chain_id: Digest
    head: Head
    pairs: int
    """Entries of the state, from which the state root was computed again."""


def create(home: Home, target: Path, *, with_keys: bool) -> Manifest:
    """Check a stopped node's chain and write its backup.

    `target` is a new file, or a folder, which then gets a file named after the chain and the height. Raises HomeInUse
    for a running node, ConfigurationError, DatabaseDamaged, VerificationFailed, StorageFailed.
    """
    genesis = home.load_genesis()
    with _stopped(home):
        checked = check_chain(home, genesis)
        files = list_files(home.path, _files(home, with_keys=with_keys))
        if with_keys and not _holds_keys(files):
            raise ConfigurationError(f"keys of {home.path}", expected="private keys, as asked for", got="none")
        header = checked.head.header
        manifest = Manifest(
            format=FORMAT,
            software=software_version(),
            chain=checked.chain,
            chain_id=checked.chain_id.hex(),
            height=header.height,
            head=header.digest.hex(),
            keys=with_keys,
            files=files,
        )
        write_archive(file_for(target, manifest), home.path, manifest)
    return manifest


def file_for(target: Path, manifest: Manifest) -> Path:
    """Return where a backup goes: the file itself, or one in the folder that was named."""
    name = f"quorate-{manifest.chain}-{manifest.height}.tar"
    return target / name if target.is_dir() else target


def check(source: Path, *, trusted: Genesis | None) -> tuple[Manifest, Checked]:
    """Check every file of a backup, then the chain in it: head, certificate, and the state root from every entry.

    Raises ConfigurationError, BackupDamaged, DatabaseDamaged, VerificationFailed.
    """
    with tempfile.TemporaryDirectory(prefix="quorate-backup-") as folder:
        scratch = Home(Path(folder))
        _check_names(read_manifest(source))
        manifest = read_archive(
            source, into=scratch.path, wanted=lambda name: name == "genesis.json" or name.startswith(f"{CHAIN}/")
        )
        return manifest, _check_restored(scratch, manifest, trusted)


def restore(source: Path, home: Home, *, trusted: Genesis | None) -> tuple[Manifest, Checked]:
    """Unpack a backup into a new home, and check what it holds; raises as `check`.

    The mark of a used vote key is made first: whatever happens after that, this home does not vote with an old key.
    """
    if home.path.exists() and any(home.path.iterdir()):
        raise ConfigurationError("home to restore into", expected="an empty or new folder", got=home.path)
    _check_names(read_manifest(source))
    with disk(f"home {home.path}"):
        home.vote_key_used.parent.mkdir(parents=True, mode=0o700)
        home.vote_key_used.touch(mode=0o600)
        for folder in (home.vote_key_used.parent, home.path, home.path.parent):
            sync_directory(folder)
    manifest = read_archive(source, into=home.path)
    return manifest, _check_restored(home, manifest, trusted)


def check_chain(home: Home, genesis: Genesis) -> Checked:
    """Open a home's chain and check it; raises DatabaseDamaged, HomeInUse, ForeignChain, VerificationFailed."""
    folder = home.path / CHAIN
    if not folder.is_dir():
        raise ConfigurationError(f"chain of {home.path}", expected=f"a database {folder}", got="none")
    database = LevelDb(folder)
    try:
        chain = ChainStore(database, genesis)
        head, state = chain.head, chain.state
        if head.certificate is not None:
            deciding = chain.validator_set(head.header.era)
            if deciding is None:
                raise BackupDamaged(f"validators of era {head.header.era}", expected="stored ones", got="none")
            head.certificate.verify_for(head.header, deciding, chain_id=genesis.chain_id)
        pairs: dict[bytes, bytes | None] = dict(state.scan(b""))
        root, _ = state_tree.update(lambda _: None, pairs)
        if root != head.header.state_root:
            raise BackupDamaged("state root", expected=head.header.state_root.hex(), got=root.hex())
        queries.parameters(state)
    finally:
        database.close()
    return Checked(chain=genesis.document.chain, chain_id=genesis.chain_id, head=head, pairs=len(pairs))


def _check_names(manifest: Manifest) -> None:
    """Raise BackupDamaged for what no backup holds, above all a vote log, and for promised keys that are missing."""
    for entry in manifest.files:
        kept = any(entry.path.startswith(f"{folder}/") for folder in KEPT)
        is_key = manifest.keys and entry.path.startswith("keys/") and not entry.path.endswith(f"/{MARK}")
        if not (kept or entry.path in TOP or is_key):
            raise BackupDamaged("files of a backup", expected="chain, blobs, settings, keys", got=entry.path)
    if manifest.keys and not _holds_keys(manifest.files):
        raise BackupDamaged("files of a backup", expected="private keys, as it says", got="none")


def _holds_keys(files: tuple[ArchivedFile, ...]) -> bool:
    return any(entry.path.startswith("keys/") for entry in files)


def _check_restored(home: Home, manifest: Manifest, trusted: Genesis | None) -> Checked:
    genesis = home.load_genesis()
    if trusted is not None and trusted.chain_id != genesis.chain_id:
        raise BackupDamaged("chain id", expected=trusted.chain_id.hex(), got=genesis.chain_id.hex())
    checked = check_chain(home, genesis)
    header = checked.head.header
    expected = (manifest.chain, manifest.chain_id, manifest.height, manifest.head)
    got = (checked.chain, genesis.chain_id.hex(), header.height, header.digest.hex())
    if got != expected:
        raise BackupDamaged("chain, its id, height and head of the backup", expected=expected, got=got)
    return checked


@contextmanager
def _stopped(home: Home) -> Iterator[None]:
    """Hold the lock of the vote log, as a running node would; raises HomeInUse."""
    if not home.data.is_dir():
        raise ConfigurationError(f"data of {home.path}", expected="those of a node that has run", got="none")
    with ExitStack() as holding:
        try:
            holding.enter_context(locked(home.vote_log))
        except HomeInUse as error:
            raise NodeRuns(f"node of {home.path}", expected="stopped", got="running") from error
        yield


class NodeRuns(HomeInUse):
    """A backup was asked for while the node runs."""

    code = "node-runs"
    hint = "Stop the node first (SIGTERM): the others go on without it, as long as no more than f are down at a time."


def _files(home: Home, *, with_keys: bool) -> Iterator[Path]:
    yield from (home.path / name for name in TOP if (home.path / name).is_file())
    folders = [home.path / name for name in KEPT]
    if with_keys:
        yield from sorted(path for path in (home.path / "keys").rglob("*") if path.is_file() and path.name != MARK)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            arriving = path.is_relative_to(home.data / "blobs" / "incoming")
            if path.is_file() and path.name not in LOCKS and not arriving:
                yield path
