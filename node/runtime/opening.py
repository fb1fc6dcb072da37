"""What a node keeps on disk, opened and checked before it speaks to anybody: chain, blobs, vote log, and the engine."""

from dataclasses import dataclass
from typing import Self

import structlog

from consensus.catch_up import ANSWER_BYTES_MAX
from consensus.engine import Engine
from consensus.messages import Choice
from consensus.new_view import EraContext
from consensus.ports import Application, Head, Timing
from consensus.records import decode_record
from contracts import queries
from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from ledger.quantities import Height, ValidatorId
from node.config import Configuration, TimingSection
from node.home import Home
from node.keystore import KeyPurpose
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.storage.errors import VoteLogMissing
from node.storage.files import disk, sync_directory
from node.storage.kv import KeyValueStore
from node.storage.leveldb import LevelDb
from node.storage.read_cache import ReadCache
from node.storage.vote_log import VoteLog

log = structlog.get_logger()

FRAME_OVERHEAD_BYTES = 2**20
"""More than certificates and envelopes add to the blocks of one message."""


@dataclass(slots=True, kw_only=True)
class Durable:
    """Everything on disk, locked against every other process."""

    chain: ChainStore
    store: BlobStore
    vote_log: VoteLog
    records: list[bytes]
    """What the vote log held."""
    databases: tuple[KeyValueStore, ...]

    @classmethod
    def open(cls, home: Home, genesis: Genesis, configuration: Configuration) -> Self:
        """Open a node's data, or begin it; raises ConfigurationError, VerificationFailed, StorageError.

        What was opened before a failure is closed again.
        """
        with disk(f"data of {home.path}"):
            home.data.mkdir(mode=0o700, exist_ok=True)
            sync_directory(home.path)
        databases: list[LevelDb] = []
        try:
            databases.append(LevelDb(home.data / "chain"))
            chain = ChainStore(ReadCache(databases[0]), genesis)
            _check_head(chain, genesis)
            _check_frames(chain, configuration)
            databases.append(LevelDb(home.data / "blobs.index"))
            store = BlobStore(
                home.data / "blobs",
                databases[1],
                quota_bytes=configuration.limits.storage_bytes_max,
                reserve_bytes=configuration.alarms.disk_free_bytes_min,
            )
            vote_log, records = _open_vote_log(home, genesis, chain)
        except BaseException:
            for database in databases:
                database.close()
            raise
        for digest in store.lost:
            log.error("blob-lost", blob=digest.hex())
        return cls(chain=chain, store=store, vote_log=vote_log, records=records, databases=tuple(databases))

    def close(self) -> None:
        """Give everything back."""
        self.vote_log.close()
        for database in self.databases:
            database.close()


def open_engine(
    durable: Durable, home: Home, validator: ValidatorId, application: Application, timing: TimingSection
) -> Engine:
    """Return the engine as it was when its last vote became durable; raises ConfigurationError."""
    chain, state = durable.chain, durable.chain.state
    parameters = queries.parameters(state)
    era, first = queries.era(state)
    before = chain.header(Height(first - 1))
    assert before is not None
    context = EraContext(
        chain_id=before.chain_id,
        era=era,
        validators=queries.validators(state),
        root=Choice(height=Height(before.height), digest=before.digest),
        window=parameters.window,
    )
    return Engine(
        context=context,
        validator=validator,
        key=home.load_key(KeyPurpose.VOTE),
        head=Head(header=chain.head.header, certificate=chain.head.certificate),
        application=application,
        timing=Timing(
            view=timing.view_ms / 1000,
            resend=timing.resend_ms / 1000,
            status=timing.status_ms / 1000,
            fetch=timing.fetch_ms / 1000,
        ),
        drift_ms=parameters.clock_drift_ms,
        records=[decode_record(data) for data in durable.records],
    )


def _check_head(chain: ChainStore, genesis: Genesis) -> None:
    head = chain.head
    if head.certificate is not None:
        head.certificate.verify_for(head.header, queries.validators(chain.state), chain_id=genesis.chain_id)


def _check_frames(chain: ChainStore, configuration: Configuration) -> None:
    """Raise ConfigurationError where a message that consensus may send would not fit a frame."""
    needed = ANSWER_BYTES_MAX + queries.parameters(chain.state).block_bytes_max + FRAME_OVERHEAD_BYTES
    if configuration.link.frame_bytes_max < needed:
        raise ConfigurationError(
            "link.frame_bytes_max",
            expected=f"at least {needed} bytes, for the blocks of this chain",
            got=configuration.link.frame_bytes_max,
        )


def _open_vote_log(home: Home, genesis: Genesis, chain: ChainStore) -> tuple[VoteLog, list[bytes]]:
    """Open the vote log, or make the first one of a new vote key; a missing one means that the key is lost.

    That the key has a log is durable before the first vote: a host that loses power forgets neither or both.
    """
    if not home.vote_log.exists():
        if home.vote_key_used.exists() or chain.head.header.height > 0:
            raise VoteLogMissing(f"vote log {home.vote_log}", expected="the log of a key that has voted", got="none")
        VoteLog.create(home.vote_log, chain_id=genesis.chain_id).close()
    vote_log, recovered = VoteLog.open(home.vote_log, chain_id=genesis.chain_id)
    if recovered.torn_bytes:
        log.warning("vote-log-cut", torn_bytes=recovered.torn_bytes)
    with disk(f"note of a used vote key {home.vote_key_used}"):
        home.vote_key_used.touch(mode=0o600)
        sync_directory(home.vote_key_used.parent)
    return vote_log, list(recovered.records)
