"""What storage raises: refusals of the operator's directories, refusals of a caller's blob, and failing disks.

QuorateError
├── InputError
│   └── BlobMismatch           what arrived is not what was announced
├── ConfigurationError         the node does not start
│   ├── HomeInUse              another process runs on this home
│   ├── UnsupportedSchema      written by another release
│   ├── ForeignChain           belongs to another chain
│   ├── DatabaseDamaged        the chain can be fetched again
│   ├── VoteLogExists
│   ├── VoteLogMissing         } the vote key
│   └── VoteLogDamaged         } is lost
└── StorageError
    ├── StorageFailed          the disk refused; the node stops
    ├── StorageFull            no room for another blob
    ├── AppendRefused          not the block that follows the head; the node stops
    ├── NotAppended            the chain is not that long yet
    │   └── BelowSnapshot      this node joined from a snapshot above it
    ├── SnapshotUnusable       a snapshot here or at a peer is not what its checkpoint says
    └── BlobNotFound
"""

from ledger.errors import ConfigurationError, InputError, QuorateError

_LOST_KEY = (
    "The vote key must be considered lost: the node may have sent votes that it no longer knows of. Never delete or"
    " replace the log to go on voting; the node can only rejoin as a learner, until a membership transaction gives it a"
    " new vote key."
)


class BlobMismatch(InputError):
    """A blob's bytes are not those that were announced."""

    code = "blob-mismatch"


class HomeInUse(ConfigurationError):
    """Another process holds the lock of this directory."""

    code = "home-in-use"
    hint = "Another node runs on this home: stop it, or give this one a home and keys of its own."


class UnsupportedSchema(ConfigurationError):
    """A file or database was written in a form that this release does not read."""

    code = "unsupported-schema"
    hint = (
        "Run the release that wrote these files. This release reads schema 1, the first one: no earlier schema exists"
        " to migrate from, and a later one is not converted back."
    )


class ForeignChain(ConfigurationError):
    """A file or database belongs to another chain than the genesis file."""

    code = "foreign-chain"
    hint = "Give each chain a home of its own, and compare the genesis file with the other members'."


class DatabaseDamaged(ConfigurationError):
    """The chain's database contradicts itself or its checksums."""

    code = "database-damaged"
    hint = (
        "Move the database directory aside and start again: the node fetches the chain from its peers. Leave the vote"
        " log and the blobs where they are."
    )


class VoteLogExists(ConfigurationError):
    """A vote log was to be created where one stands."""

    code = "vote-log-exists"
    hint = "Open it instead; a vote log is made once, with the vote key."


class VoteLogMissing(ConfigurationError):
    """There is no vote log where one must be."""

    code = "vote-log-missing"
    hint = _LOST_KEY


class VoteLogDamaged(ConfigurationError):
    """The vote log is damaged where no crash can have damaged it."""

    code = "vote-log-damaged"
    hint = _LOST_KEY


class StorageError(QuorateError):
    """Base of what storage raises while the node runs."""

    code = "storage"


class StorageFailed(StorageError):
    """The operating system refused to read or write; what is on disk is known again only after a restart."""

    code = "storage-failed"
    hint = "Check the disk, its free space and its permissions, then start the node again."


class StorageFull(StorageError):
    """There is no room for this blob."""

    code = "storage-full"
    http_status = 507
    hint = "Raise the node's blob quota, or wait until uploads that nobody recorded have expired."


class AppendRefused(StorageError):
    """A block does not extend the appended head, or lacks the certificate that it needs."""

    code = "append-refused"


class NotAppended(StorageError):
    """The chain has not come this far yet."""

    code = "not-appended"
    http_status = 404
    exit_code = 5


class BelowSnapshot(NotAppended):
    """This node joined from a snapshot of the state: it never had the blocks and entries up to that height."""

    code = "below-snapshot"
    hint = "Ask another validator: `base` in a node's status says up to which height it has no blocks."


class SnapshotUnusable(StorageError):
    """The files of a snapshot are missing, damaged, or not what their manifest says."""

    code = "snapshot-unusable"


class BlobNotFound(StorageError):
    """This node does not hold the blob."""

    code = "blob-not-found"
    http_status = 404
    exit_code = 5
