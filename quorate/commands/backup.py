"""`quorate backup create`, `check` and `restore`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ledger.genesis import GENESIS_BYTES_MAX, Genesis
from node.archive import Manifest, fields
from node.home import Home as NodeHome
from quorate.commands.base import GenesisFile, Home, example, noun
from quorate.files import read_file
from quorate.output import Answer
from quorate.plain_text import Fields
from quorate.words import grouped, moment

app = noun("Back up a stopped node, check a backup, and restore one. The vote log is never in it.")

File = Annotated[Path, typer.Argument(help="A backup.")]


@app.command("create", epilog=example("backup create --home alpha --to backups"))
def create(
    home: Home,
    to: Annotated[Path, typer.Option(help="File to write, or a folder for it; never overwritten.")],
    with_keys: Annotated[bool, typer.Option("--with-keys", help="Put the private keys in, too.")] = False,  # noqa: FBT002
) -> Answer:
    """Check a stopped node's chain, and write one file.

    It holds the chain, blobs, genesis and settings. Private keys stay out unless asked for: keep them apart. The vote
    log is never in a backup.
    """
    from node import backup  # noqa: PLC0415 - LevelDB, only where it is opened

    manifest = backup.create(NodeHome(home), to, with_keys=with_keys)
    file = backup.file_for(to, manifest)
    warnings = ("this backup holds private keys: whoever has it is this validator",) if with_keys else ()
    return _answer(file, manifest, warnings=warnings, following=f"quorate backup check {file}")


@app.command("check", epilog=example("backup check backups/quorate-cardiology-1204.tar --genesis genesis.json"))
def check(file: File, genesis: GenesisFile = None) -> Answer:
    """Check every file of a backup, and its chain.

    Each file by its SHA-256; the head's certificate is verified, and the state root is computed again from every entry.
    Digests find damage, not forgery: settings and keys are only as good as the place where the backup was kept.
    """
    from node import backup  # noqa: PLC0415

    manifest, checked = backup.check(file, trusted=_trusted(genesis))
    shown = [("time of head", moment(checked.head.header.time)), ("state", f"{checked.pairs:,} entries")]
    return _answer(file, manifest, more=shown, following=f"quorate backup restore {file} --home HOME")


@app.command("restore", epilog=example("backup restore backups/quorate-cardiology-1204.tar --home alpha"))
def restore(file: File, home: Home, genesis: GenesisFile = None) -> Answer:
    """Unpack a backup into a new home, checked.

    The restored node must not vote with its old key: nobody knows what it has signed since. It is a learner until a
    membership transaction has given it a new vote key.
    """
    from node import backup  # noqa: PLC0415

    place = NodeHome(home)
    manifest, _ = backup.restore(file, place, trusted=_trusted(genesis))
    warnings = ["its old vote key counts as used: rotate it before this node may vote again (docs/runbook.md)"]
    if not manifest.keys:
        warnings.append(f"the backup holds no private keys: put those of this node into {place.path / 'keys'}")
    return _answer(file, manifest, warnings=tuple(warnings), following=f"quorate doctor --home {home}")


def _trusted(file: Path | None) -> Genesis | None:
    return None if file is None else Genesis(read_file(file, bytes_max=GENESIS_BYTES_MAX))


def _answer(
    file: Path,
    manifest: Manifest,
    *,
    following: str,
    more: Sequence[tuple[str, object]] = (),
    warnings: tuple[str, ...] = (),
) -> Answer:
    found = {"file": str(file), **fields(manifest)}
    return Answer(
        data=found,
        shown=[
            Fields(
                pairs=[
                    ("file", file),
                    ("chain", manifest.chain),
                    ("chain id", grouped(manifest.chain_id)),
                    ("height", f"{manifest.height:,}"),
                    ("head", manifest.head),
                    *more,
                    ("files", f"{found['files']:,} of {found['bytes']:,} bytes"),
                    ("private keys", "yes" if manifest.keys else "no"),
                ]
            )
        ],
        warnings=warnings,
        next=following,
    )
