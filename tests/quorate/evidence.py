"""Handles on an export: verify it, change one of its files, name one of its updates."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from contracts import queries
from ledger.certificates import CertifiedBlock
from ledger.encoding import decode, encode
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.quantities import Height, ParticipantId, RoundNumber
from quorate.chain_folder import ChainFolder, blob_name, block_name
from quorate.verdicts import Request, Verdict, verify
from tests.quorate.trained import TASK, TrainedChain


def verdict_on(
    folder: Path, *, trusted: Genesis | None = None, replay: bool = True, version: int | None = None
) -> Verdict:
    """Verify all of an export, or one model of it."""
    model = None if version is None else (TASK, version)
    return verify(ChainFolder(folder), Request(trusted=trusted, replay=replay, model=model))


def change_block(folder: Path, height: int, **changes: Any) -> None:
    """Change fields of a certified block."""
    file = folder / block_name(Height(height))
    file.write_bytes(encode(replace(decode(file.read_bytes(), CertifiedBlock), **changes)))


def update_digest(chain: TrainedChain, number: int, who: int) -> Digest:
    """Return the digest of a participant's accepted update."""
    blob = queries.participation(chain.state, TASK, RoundNumber(number), ParticipantId(who)).blob
    assert blob is not None
    return blob


def remove_blob(folder: Path, digest: Digest) -> None:
    (folder / blob_name(digest)).unlink()
