"""What `quorate doctor --bundle FILE` hands to whoever helps: findings, settings and public files; never keys or blobs.

The list of what goes in is short and closed; everything else stays out, so nothing has to be recognised as secret.
"""

import io
import json
import platform
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from node.home import Home
from quorate import __version__
from quorate.doctor import Finding
from quorate.files import read_file, write_new_file

PUBLIC = ("node.toml", "genesis.json", "descriptor.json")
FILE_BYTES_MAX = 8 * 2**20


def write_bundle(target: Path, home: Path | None, findings: Sequence[Finding]) -> list[str]:
    """Write a new tar file, and return the names of what is in it; raises ConfigurationError."""
    members = {"findings.json": _json([asdict(finding) for finding in findings]), "host.json": _json(_host())}
    if home is not None:
        for name in PUBLIC:
            if (home / name).is_file():
                members[name] = read_file(home / name, bytes_max=FILE_BYTES_MAX)
        members["files.json"] = _json(dict(_sizes(Home(home))))
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    write_new_file(target, written.getvalue())
    return sorted(members)


def _host() -> dict[str, str]:
    return {"quorate": __version__, "python": platform.python_version(), "platform": platform.platform()}


def _sizes(home: Home) -> Iterator[tuple[str, int]]:
    """Yield names and sizes of the node's own files; a blob's name is its digest, which is on chain."""
    for path in sorted(home.data.rglob("*")):
        if path.is_file():
            yield path.relative_to(home.path).as_posix(), path.stat().st_size


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
