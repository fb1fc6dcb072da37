"""A chain as a folder of plain files, so that it can be kept, handed over and verified without any node.

    genesis.json                       the file from which the chain begins
    blocks/00000/00000001.block        canonical bytes of the block with its commit certificate, a thousand a folder
    blobs/<digest>                     layouts, models, updates and reports, named by the SHA-256 of their bytes
    SHA256SUMS                         of all of them, for `sha256sum -c`: against accidents, not against forgery
    README.txt                         what this is and how to verify it

Nothing in it is trusted by `quorate verify`, which recomputes everything from the genesis file.
"""

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path

from ledger.certificates import CertifiedBlock
from ledger.encoding import decode, encode
from ledger.errors import ConfigurationError, TooLarge
from ledger.genesis import GENESIS_BYTES_MAX, Genesis
from ledger.hashing import Digest
from ledger.quantities import Height
from quorate.errors import EvidenceMissing
from quorate.files import claim_folder
from quorate.sources import Buffer

BLOCK_BYTES_MAX = 64 * 2**20
"""Largest block file that is read: chain parameters allow far smaller blocks."""
_BLOCKS_PER_FOLDER = 1_000
_CHUNK_BYTES = 2**20

_README = """\
The chain "{chain}", exported by Quorate.

Chain id (SHA-256 of genesis.json): {chain_id}
Blocks: 1 to {head}    Head: {digest}

To verify everything, offline, with no trust in whoever made this folder:

    quorate verify --from . --genesis YOUR-OWN-GENESIS-FILE

Without --genesis the file in this folder is taken: then compare the chain id above with what a member of the
consortium tells you. Exit code 0: verified. 1: tampered with. 3: something that is needed is missing.

    sha256sum -c SHA256SUMS

only shows that no file was damaged on the way.
"""


class ChainFolder:
    """An exported chain; opens no socket."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigurationError unless there is a folder."""
        if not path.is_dir():
            raise ConfigurationError("exported chain", expected="a folder", got=path)
        self.path = path

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"folder {self.path}"

    def genesis(self) -> Genesis:
        """Return the genesis of this folder; raises InputError, EvidenceMissing."""
        return Genesis(_read(self.path / "genesis.json", GENESIS_BYTES_MAX))

    def head(self) -> Height:
        """Return the height of the last block there is."""
        names = (file.stem for file in (self.path / "blocks").glob("*/*.block"))
        return Height(max((int(name) for name in names if name.isascii() and name.isdigit()), default=0))

    def block(self, height: Height) -> CertifiedBlock:
        """Return a block; raises InputError, EvidenceMissing."""
        return decode(_read(self.path / block_name(height), BLOCK_BYTES_MAX), CertifiedBlock)

    def blob(self, digest: Digest) -> Buffer:
        """Return the bytes kept under a digest, mapped and not read; raises EvidenceMissing."""
        return map_file(self.path / blob_name(digest))


class ChainFolderWriter:
    """Writes an export file by file; `finish` writes what describes the rest."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        """Raise ConfigurationError unless the folder is new or empty."""
        claim_folder(path)
        self.path = path
        self._genesis = genesis
        self._head, self._head_digest = Height(0), genesis.block.digest
        _write(path / "genesis.json", genesis.data)

    def add_block(self, certified: CertifiedBlock) -> None:
        """Write the next block."""
        header = certified.block.header
        _write(self.path / block_name(Height(header.height)), encode(certified))
        self._head, self._head_digest = Height(header.height), header.digest

    def add_blob(self, digest: Digest, data: Buffer) -> None:
        """Write a blob whose digest the caller has checked."""
        _write(self.path / blob_name(digest), data)

    def finish(self) -> None:
        """Write the README and the checksums of all files."""
        text = _README.format(
            chain=self._genesis.document.chain,
            chain_id=self._genesis.chain_id.hex(),
            head=self._head,
            digest=self._head_digest.hex(),
        )
        _write(self.path / "README.txt", text.encode())
        sums = "".join(f"{_sha256(file)}  {file.relative_to(self.path).as_posix()}\n" for file in _files(self.path))
        _write(self.path / "SHA256SUMS", sums.encode())


def block_name(height: Height) -> str:
    """Return the path of a block within an export."""
    return f"blocks/{height // _BLOCKS_PER_FOLDER:05}/{height:08}.block"


def blob_name(digest: Digest) -> str:
    """Return the path of a blob within an export."""
    return f"blobs/{digest.hex()}"


def map_file(path: Path) -> Buffer:
    """Return a file's bytes without reading them; raises EvidenceMissing if it is not there."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return b""  # an empty file cannot be mapped
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise EvidenceMissing(path.name, expected=f"the file {path}", got=error.strerror) from error


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > bytes_max:
            raise TooLarge(str(path), expected=f"at most {bytes_max} bytes", got=f"{size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise EvidenceMissing(path.name, expected=f"the file {path}", got=error.strerror) from error


def _write(path: Path, data: Buffer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


def _files(path: Path) -> Iterator[Path]:
    return (file for file in sorted(path.rglob("*")) if file.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
