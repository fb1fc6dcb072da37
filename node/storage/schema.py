"""Keys of the chain's database: one function a kind of record, so that nobody else builds a key from parts.

    schema                    number of this layout, in decimal
    chain                     chain id
    head                      height of the last appended block
    base                      height of the snapshot that this database began with; absent: it began with genesis
    frontier                  Frontier of the log after it
    header/<height>           BlockHeader
    body/<height>             tuple of the block's signed transactions
    certificate/<height>      CommitCertificate, for blocks that have one of their own
    height/<block digest>     height
    entry/<log index>         Entry
    transaction/<id>          log index of its entry
    log/<level><index>        root of a complete subtree of the log, as `Frontier.append` returns them
    state/<key>               value in the state map after the head
    tree/<position>           record of the state tree after the head, as `state_tree.update` returns them
    validators/<era>          tuple of Validator

A database that began with a snapshot holds of the heights up to it only what later ones need: the headers, certificates
and sets at the ends of eras, the snapshot's own header and certificate, and the peaks of the log.

Numbers are fixed-width big-endian, so that a scan visits them in order.
"""

from ledger.hashing import Digest
from ledger.quantities import Era, Height
from node.storage.errors import ForeignChain, UnsupportedSchema
from node.storage.kv import KeyValueStore

SCHEMA_VERSION = 1
"""Layout that this release reads and writes."""

SCHEMA = b"schema"
CHAIN = b"chain"
HEAD = b"head"
BASE = b"base"
FRONTIER = b"frontier"
STATE_PREFIX = b"state/"
HEADER_PREFIX = b"header/"
TREE_PREFIX = b"tree/"


def number(value: int) -> bytes:
    """Return a height, index or era as it stands in keys and values."""
    return value.to_bytes(8, "big")


def header(height: Height) -> bytes:
    """BlockHeader."""
    return HEADER_PREFIX + number(height)


def body(height: Height) -> bytes:
    """Signed transactions of a block."""
    return b"body/" + number(height)


def certificate(height: Height) -> bytes:
    """CommitCertificate."""
    return b"certificate/" + number(height)


def height_of(block: Digest) -> bytes:
    """Height of a block, by its digest."""
    return b"height/" + block


def entry(index: int) -> bytes:
    """Entry, by its place in the log."""
    return b"entry/" + number(index)


def transaction(identity: Digest) -> bytes:
    """Log index of a transaction's entry, by its id."""
    return b"transaction/" + identity


def log_node(level: int, index: int) -> bytes:
    """Root of a complete subtree of the log."""
    return b"log/" + bytes([level]) + number(index)


def state(key: bytes) -> bytes:
    """Value of a key of the state map."""
    return STATE_PREFIX + key


def tree_node(position: bytes) -> bytes:
    """Record of the state tree."""
    return TREE_PREFIX + position


def validators(era: Era) -> bytes:
    """Members of an era's validator set."""
    return b"validators/" + number(era)


def is_begun(kv: KeyValueStore, chain_id: Digest) -> bool:
    """Return whether the database holds this chain (True) or nothing yet (False).

    Raises UnsupportedSchema for another layout and ForeignChain for another chain.
    """
    found = kv.get(SCHEMA)
    if found is None:
        return False
    expected = str(SCHEMA_VERSION).encode()
    if found != expected:
        raise UnsupportedSchema(
            "schema of the database", expected=SCHEMA_VERSION, got=found.decode("ascii", "backslashreplace")
        )
    chain = kv.get(CHAIN)
    if chain != chain_id:
        raise ForeignChain(
            "chain id of the database", expected=chain_id.hex(), got="none" if chain is None else chain.hex()
        )
    return True
