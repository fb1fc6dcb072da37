"""Exports: what is written verifies, byte for byte, and nothing is overwritten."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from ledger.errors import ConfigurationError, InvalidBlock
from ledger.quantities import Height
from quorate.chain_folder import ChainFolder, block_name
from quorate.exporting import export_chain
from quorate.verdicts import Outcome
from tests.quorate.evidence import change_block, remove_blob, update_digest, verdict_on
from tests.quorate.trained import TrainedChain


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_export_of_an_export_is_the_same(exported: Path, tmp_path: Path, chain: TrainedChain) -> None:
    found = export_chain(ChainFolder(exported), tmp_path / "again", trusted=chain.members.genesis, with_blobs=True)
    assert (found.height, found.blobs, found.missing) == (chain.height, len(chain.blobs), ())
    assert files(tmp_path / "again") == files(exported)


def test_an_export_without_blobs_verifies_without_replay(exported: Path, tmp_path: Path) -> None:
    found = export_chain(ChainFolder(exported), tmp_path / "again", trusted=None, with_blobs=False)
    assert (found.blobs, found.missing) == (0, ())
    assert verdict_on(tmp_path / "again", replay=False).outcome is Outcome.VERIFIED
    assert verdict_on(tmp_path / "again").outcome is Outcome.UNDECIDED


def test_blobs_that_are_not_to_be_had_are_named(copy: Path, tmp_path: Path, chain: TrainedChain) -> None:
    digest = update_digest(chain, 1, 1)
    remove_blob(copy, digest)
    found = export_chain(ChainFolder(copy), tmp_path / "again", trusted=None, with_blobs=True)
    assert found.missing == (digest.hex(),)


def test_a_chain_that_was_tampered_with_is_not_exported(copy: Path, tmp_path: Path, chain: TrainedChain) -> None:
    change_block(copy, 5, block=chain.blocks[5].block)
    with pytest.raises(InvalidBlock):
        export_chain(ChainFolder(copy), tmp_path / "again", trusted=None, with_blobs=True)
    assert not (tmp_path / "again" / "SHA256SUMS").exists()


def test_a_folder_with_something_in_it_is_left_alone(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="new or empty"):
        export_chain(ChainFolder(exported), tmp_path, trusted=None, with_blobs=True)
    assert files(tmp_path) == {"notes.txt": b"mine"}


def test_the_checksums_are_those_of_sha256sum(exported: Path) -> None:
    lines = (exported / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert listed == {
        name: hashlib.sha256(data).hexdigest() for name, data in files(exported).items() if name != "SHA256SUMS"
    }
    ran = subprocess.run(["/usr/bin/env", "sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=exported, check=False)
    assert ran.returncode == 0


def test_the_readme_names_chain_and_head(exported: Path, chain: TrainedChain) -> None:
    text = (exported / "README.txt").read_text()
    assert chain.chain_id.hex() in text
    assert chain.tip.header.digest.hex() in text
    assert "quorate verify --from ." in text


def test_a_folder_holds_a_thousand_blocks() -> None:
    assert block_name(Height(999_999)) == "blocks/00999/00999999.block"
