"""Opening what commands read from: a node or an export, as evidence or as the explorer's view."""

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
from quorate.environment import options
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
        """How a further command says that it reads from the same place."""
        if self.folder is not None:
            return f" --from {self.folder}" + options(node=None, genesis=self.genesis)
        return options(node=self.node, genesis=self.genesis)

    def trusted(self) -> Genesis | None:
        """Return the genesis that the caller trusts; raises ConfigurationError."""
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
