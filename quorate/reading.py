"""Opening what commands read from: a node or an export, as evidence or as the explorer's view."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.keys import SigningKey
from participant.errors import MalformedAnswer
from participant.session import read_genesis
from quorate.chain_folder import ChainFolder
from quorate.errors import UsageError
from quorate.files import load_any_key
from quorate.node_source import NodeSource
from quorate.node_view import NodeView
from quorate.replayed_view import ReplayedView
from quorate.sources import ChainSource
from quorate.views import ChainView


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a command reads from, as its options say."""

    node: str
    """Address of a node; not asked if there is a folder."""
    folder: Path | None
    """An exported chain."""
    genesis: Path | None
    """The genesis file that is trusted."""
    key: Path | None = None
    """Key of a member, to read blobs with."""

    @property
    def options(self) -> str:
        """How a further command says that it reads from the same folder; environment variables name nodes."""
        return "" if self.folder is None else f" --from {self.folder}"

    def trusted(self) -> Genesis | None:
        """Return the genesis that the caller trusts; raises ConfigurationError, InputError."""
        return None if self.genesis is None else read_genesis(self.genesis)

    def signing_key(self) -> SigningKey | None:
        """Return the key for reading blobs; raises ConfigurationError."""
        return None if self.key is None else load_any_key(self.key)[1]


@contextmanager
def open_source(origin: Origin) -> Iterator[ChainSource]:
    """Open an export, or a node, as evidence."""
    if origin.folder is not None:
        yield ChainFolder(origin.folder)
        return
    with NodeSource(origin.node, key=origin.signing_key()) as source:
        yield source


@contextmanager
def open_view(origin: Origin, *, height: int | None = None, transaction: Digest | None = None) -> Iterator[ChainView]:
    """Open an export, or a node, for the explorer; of an export, only the block and transaction named are kept."""
    trusted = origin.trusted()
    if origin.folder is not None:
        yield ReplayedView(ChainFolder(origin.folder), trusted=trusted, height=height, transaction=transaction)
        return
    with NodeSource(origin.node, key=origin.signing_key()) as source, well_formed(origin.node):
        yield NodeView(source, trusted=trusted)


@contextmanager
def well_formed(url: str) -> Iterator[None]:
    """Take an answer that lacks what it must have, or holds something else, for its node's fault."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise MalformedAnswer(url, f"an answer of another form: {type(error).__name__}: {error}") from error


def parse_name(text: str, what: str = "name of a task") -> str:
    """Return a name as chains have them; raises UsageError."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text) is None:
        raise UsageError(what, expected="at most 63 lower-case letters, digits and hyphens", got=repr(text))
    return text


def parse_digest(text: str, what: str) -> Digest:
    """Return a digest written in hexadecimal; raises UsageError."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""  # of another length, too
    if len(data) != 32:
        raise UsageError(what, expected="64 hexadecimal digits", got=repr(text))
    return Digest(data)


def parse_model(text: str) -> tuple[str, int | None]:
    """Return task and version of `TASK` or `TASK@VERSION`; raises UsageError."""
    task, at, version = text.partition("@")
    if at and not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise UsageError("global model", expected="TASK or TASK@VERSION, such as cardio@3", got=repr(text))
    return parse_name(task), int(version) if at else None
