"""Fetching a global model's float32 view: the file that training frameworks load."""

import hashlib
from pathlib import Path

from ledger.hashing import Digest
from quorate.errors import BlobDiffers, UsageError
from quorate.files import load_any_key, write_new_file
from quorate.node_source import NodeSource
from quorate.node_view import NodeView
from quorate.reading import Origin
from quorate.words import Record


def pull_model(task: str, version: int | None, out: Path, *, origin: Origin, key: Path, verify: bool) -> Record:
    """Write the view of a global model to a new file and return the model's record.

    With `verify` the record is proven against the trusted genesis; either way the bytes must hash to the digest that
    the record names. Raises UsageError, ConfigurationError, NotOnChain, NodeFault (NodeForbids for the key of no
    member), BlobDiffers.
    """
    trusted = origin.trusted()
    if verify and trusted is None:
        raise UsageError("model pull", expected="--genesis FILE to verify against, or --no-verify", got="neither")
    with NodeSource(origin.node, key=None) as source:
        view = NodeView(source, trusted=trusted)
        record = view.model(task, version) if verify else view.claimed_model(task, version)
        wanted = Digest(bytes.fromhex(record["view"]))
        data = source.fetch(wanted, load_any_key(key)[1])
        got = hashlib.sha256(data).hexdigest()
        if got != wanted.hex():
            raise BlobDiffers(f"SHA-256 of the view from {source.name}", expected=wanted.hex(), got=got)
        write_new_file(out, data)
        return record
