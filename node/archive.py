"""One tar file whose first member lists every other one with its SHA-256: what a backup is written as.

The second member is the digest of the first, as `sha256sum` writes it, so that no byte of the list may differ either.
The same files give the same bytes: members stand in order of their names, without times, owners or modes. Reading
trusts nothing: members must be regular files, exactly those of the list, in its order, of its sizes and digests, and
their names lead nowhere else. What is unpacked is readable by its owner alone.

All this finds damage. It is no signature: whoever can write the file can write another list with another digest.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Annotated

import msgspec
from msgspec import Meta

from ledger.errors import ConfigurationError, VerificationFailed
from node.storage.files import disk, sync_directory

FORMAT = "quorate-backup-1"
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
MANIFEST_BYTES_MAX = 256 * 2**20
"""More than a million files."""
CHUNK_BYTES = 2**20
NAME_PARTS_MAX = 8

HexDigest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Count = Annotated[int, Meta(ge=0, le=2**62)]


class BackupDamaged(VerificationFailed):
    """A backup is not what its list of files says, or what it holds contradicts itself."""

    code = "backup-damaged"
    hint = "Restore from another backup; or begin with an empty home, and the node fetches the chain from its peers."


class ArchivedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file in an archive."""

    path: str
    """Below the home, with slashes."""
    size: Count
    sha256: HexDigest


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup says of itself."""

    format: str
    software: str
    """Release that wrote it."""
    chain: str
    chain_id: HexDigest
    height: Count
    """Of the head."""
    head: HexDigest
    """Digest of the head's header."""
    keys: bool
    """Whether private keys are inside."""
    files: tuple[ArchivedFile, ...]
    """Sorted by path."""


def list_files(root: Path, paths: Iterator[Path]) -> tuple[ArchivedFile, ...]:
    """Return the entries of files below `root`; raises StorageFailed."""
    found = []
    for path in paths:
        with disk(f"reading {path}"), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        found.append(ArchivedFile(path=path.relative_to(root).as_posix(), size=size, sha256=digest))
    return tuple(sorted(found, key=lambda entry: entry.path))


def write_archive(target: Path, root: Path, manifest: Manifest) -> None:
    """Write the archive durably under a new name; raises ConfigurationError, StorageFailed, or BackupDamaged.

    The last where a file has changed since it was listed: then something is still running on the home.
    """
    if target.exists():
        raise ConfigurationError("file to write", expected="a new file", got=f"{target}, which exists")
    making = target.with_name(target.name + ".making")
    with disk(f"writing {making}"):
        try:
            descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                _write_members(out, root, manifest)
                out.flush()
                os.fsync(out.fileno())
            making.rename(target)
            sync_directory(target.parent)
        finally:
            making.unlink(missing_ok=True)


def _write_members(out: IO[bytes], root: Path, manifest: Manifest) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        listed = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        for name, content in ((MANIFEST, listed), (SEAL, seal_of(listed))):
            archive.addfile(_member(name, len(content)), io.BytesIO(content))
        for entry in manifest.files:
            with (root / entry.path).open("rb") as file:
                hashing = _Hashing(file)
                archive.addfile(_member(entry.path, entry.size), hashing)  # type: ignore[arg-type] # only read is called
            _compare(entry, hashing.digest.hexdigest())


def seal_of(listed: bytes) -> bytes:
    """Return what stands behind a manifest: a line for `sha256sum --check`."""
    return f"{hashlib.sha256(listed).hexdigest()}  {MANIFEST}\n".encode()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        data = self._file.read(size)
        self.digest.update(data)
        return data


def read_manifest(source: Path) -> Manifest:
    """Return what a backup says of itself; raises ConfigurationError or BackupDamaged."""
    with _opened(source) as archive:
        return _manifest_of(archive, source)


def read_archive(source: Path, *, into: Path | None, wanted: Callable[[str], bool] = lambda _: True) -> Manifest:
    """Check every member, and write the wanted ones below `into`; raises as `read_manifest`, and StorageFailed."""
    with _opened(source) as archive:
        manifest = _manifest_of(archive, source)
        for entry in manifest.files:
            member = archive.next()
            if member is None or member.name != entry.path:
                raise BackupDamaged(f"member of {source}", expected=entry.path, got=member and member.name)
            data = archive.extractfile(member) if member.isreg() else None
            if data is None or member.size != entry.size:
                got = f"{member.size} bytes" if member.isreg() else "no regular file"
                raise BackupDamaged(f"{entry.path} in {source}", expected=f"a file of {entry.size} bytes", got=got)
            target = None if into is None or not wanted(entry.path) else into / entry.path
            _compare(entry, _copy(data, target))
        trailing = archive.next()
        if trailing is not None:
            raise BackupDamaged(f"end of {source}", expected="nothing that is not listed", got=trailing.name)
    return manifest


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise BackupDamaged(f"{source} as a tar file", expected="a whole one", got=str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"backup {source}", expected="a file to read", got=error.strerror) from error


def _manifest_of(archive: tarfile.TarFile, source: Path) -> Manifest:
    listed = _whole(archive, source, MANIFEST, bytes_max=MANIFEST_BYTES_MAX)
    expected = seal_of(listed)
    got = _whole(archive, source, SEAL, bytes_max=len(expected))
    if got != expected:
        raise BackupDamaged(f"SHA-256 of {MANIFEST} in {source}", expected=_shown(expected), got=_shown(got))
    try:
        manifest = msgspec.json.decode(listed, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupDamaged(f"{MANIFEST} of {source}", expected=FORMAT, got=str(error)) from None
    if manifest.format != FORMAT:
        raise BackupDamaged(f"format of {source}", expected=FORMAT, got=manifest.format)
    paths = [entry.path for entry in manifest.files]
    if paths != sorted(set(paths)) or not all(map(_stays_below, paths)):
        raise BackupDamaged(f"files of {source}", expected="distinct names in order, below the home", got="others")
    return manifest


def _whole(archive: tarfile.TarFile, source: Path, name: str, *, bytes_max: int) -> bytes:
    """Return the next member, which must have this name; raises BackupDamaged."""
    member = archive.next()
    data = archive.extractfile(member) if member is not None and member.name == name and member.isreg() else None
    if member is None or data is None or member.size > bytes_max:
        expected = f"{name}, of at most {bytes_max} bytes"
        raise BackupDamaged(f"first members of {source}", expected=expected, got=member and member.name)
    return data.read()


def _shown(seal: bytes) -> str:
    return seal.decode(errors="replace").strip()


def _stays_below(name: str) -> bool:
    path = PurePosixPath(name)
    usual = str(path) == name and not path.is_absolute() and 1 <= len(path.parts) <= NAME_PARTS_MAX
    return usual and ".." not in path.parts and "\\" not in name and "\0" not in name and name != "."


def _copy(data: IO[bytes], target: Path | None) -> str:
    digest = hashlib.sha256()
    if target is None:
        while chunk := data.read(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()
    with disk(f"writing {target}"):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            while chunk := data.read(CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        sync_directory(target.parent)
    return digest.hexdigest()


def _compare(entry: ArchivedFile, digest: str) -> None:
    if digest != entry.sha256:
        raise BackupDamaged(f"SHA-256 of {entry.path}", expected=entry.sha256, got=digest)


def fields(manifest: Manifest) -> Mapping[str, object]:
    """Return a manifest for people and programs, without its list of files."""
    found = msgspec.to_builtins(manifest)
    files = found.pop("files")
    return {**found, "files": len(files), "bytes": sum(entry["size"] for entry in files)}
