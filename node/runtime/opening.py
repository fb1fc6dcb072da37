"""What a node keeps on disk, opened and checked before it speaks to anybody: chain, blobs, vote log, and the engine."""

import shutil
from dataclasses import dataclass
from typing import Self

import structlog

from consensus.catch_up import ANSWER_BYTES_MAX
from consensus.engine import Engine
from consensus.learner import Learner
from consensus.messages import Choice
from consensus.new_view import EraContext
from consensus.ports import Application, Head, Timing
from consensus.records import decode_record
from contracts import queries
from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from ledger.quantities import Height
from ledger.records import SeatStatus
from ledger.validators import ValidatorSet
from node.config import Configuration, TimingSection
from node.home import Home
from node.keystore import KeyPurpose
from node.runtime.membership import Membership
from node.seat import note_used_vote_key, used_vote_key
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.storage.errors import VoteLogMissing
from node.storage.files import disk, sync_directory
from node.storage.kv import KeyValueStore
from node.storage.leveldb import LevelDb
from node.storage.read_cache import ReadCache
from node.storage.snapshot_install import CHAIN, switch_database
from node.storage.snapshot_shelf import SnapshotShelf
from node.storage.vote_log import VoteLog

log = structlog.get_logger()

JOINING = "joining"
"""Folder of what a join from a snapshot has fetched."""
FRAME_OVERHEAD_BYTES = 2**20
"""More than certificates and envelopes add to the blocks of one message."""


@dataclass(slots=True, kw_only=True)
class Durable:
    """Everything on disk, locked against every other process."""

    chain: ChainStore
    store: BlobStore
    shelf: SnapshotShelf
    vote_log: VoteLog | None
    """None if it is lost, and the vote key with it: until a rotation this node follows without a vote."""
    records: list[bytes]
    """What the vote log holds; the loop keeps this list."""
    databases: tuple[KeyValueStore, ...]

    @classmethod
    def open(cls, home: Home, genesis: Genesis, configuration: Configuration) -> Self:
        """Open a node's data, or begin it; raises ConfigurationError, VerificationFailed, StorageError.

        What was opened before a failure is closed again.
        """
        with disk(f"data of {home.path}"):
            home.data.mkdir(mode=0o700, exist_ok=True)
            sync_directory(home.path)
        installed = switch_database(home.data)
        if installed is not None:
            log.info("snapshot-installed", height=installed)
            shutil.rmtree(home.data / JOINING, ignore_errors=True)
        databases: list[LevelDb] = []
        try:
            databases.append(LevelDb(home.data / CHAIN))
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
            shelf = SnapshotShelf(home.data / "snapshots", keep=configuration.snapshots.keep)
        except BaseException:
            for database in databases:
                database.close()
            raise
        for digest in store.lost:
            log.error("blob-lost", blob=digest.hex())
        return cls(chain=chain, store=store, shelf=shelf, vote_log=None, records=[], databases=tuple(databases))

    def prepare_vote_log(self, home: Home, genesis: Genesis) -> None:
        """Open the vote log unless it is open: at the start, and once a rotation has brought a key that can have one.

        Raises VoteLogDamaged and other StorageErrors; a log that is lost is only told of.
        """
        if self.vote_log is not None:
            note_used_vote_key(home, home.load_key(KeyPurpose.VOTE).public)
            return
        try:
            self.vote_log, self.records = _open_vote_log(home, genesis, self.chain)
        except VoteLogMissing as error:
            log.warning("vote-log-lost", code=error.code, error=str(error), hint=error.hint)

    def disown_vote_log(self) -> None:
        """Put aside a vote log that does not hold all that its key has signed: from now on that key has no vote.

        Durable: the next start finds a used key without a log.
        """
        assert self.vote_log is not None
        self.vote_log.close()
        self.vote_log.put_aside()
        self.vote_log, self.records = None, []

    def close(self) -> None:
        """Give everything back."""
        if self.vote_log is not None:
            self.vote_log.close()
        for database in self.databases:
            database.close()


def open_machine(
    durable: Durable,
    home: Home,
    member: Membership,
    application: Application,
    timing: TimingSection,
) -> Engine | Learner:
    """Return what takes part in the era after the head: the engine as it was when its last vote became durable.

    A learner where this node has no vote, or cannot prove what it has voted; raises ConfigurationError.
    """
    chain, state = durable.chain, durable.chain.state
    context = _context(chain)
    head = Head(header=chain.head.header, certificate=chain.head.certificate, base=chain.base)
    seconds = Timing(
        view=timing.view_ms / 1000,
        resend=timing.resend_ms / 1000,
        status=timing.status_ms / 1000,
        fetch=timing.fetch_ms / 1000,
    )
    durable.prepare_vote_log(home, member.genesis)
    reason = _why_without_vote(durable, home, member, context.validators)
    if reason:
        log.warning("follows-without-a-vote", validator=member.validator, era=context.era, reason=reason)
        return Learner(context=context, head=head, application=application, timing=seconds, silence=reason)
    assert member.validator is not None
    return Engine(
        context=context,
        validator=member.validator,
        key=home.load_key(KeyPurpose.VOTE),
        head=head,
        application=application,
        timing=seconds,
        drift_ms=queries.parameters(state).clock_drift_ms,
        records=[decode_record(data) for data in durable.records],
    )


def _context(chain: ChainStore) -> EraContext:
    era, first = queries.era(chain.state)
    before = chain.header(Height(first - 1))
    assert before is not None
    return EraContext(
        chain_id=before.chain_id,
        era=era,
        validators=queries.validators(chain.state),
        root=Choice(height=Height(before.height), digest=before.digest),
        window=queries.parameters(chain.state).window,
    )


def _why_without_vote(durable: Durable, home: Home, member: Membership, validators: ValidatorSet) -> str:
    """Return why this node has no vote in this era, in words for its operator; nothing if it has one."""
    number = member.validator
    seat = None if number is None else validators.get(number)
    if number is None:
        return "the chain, as far as it is here, does not know these keys: an operator has to register the learner"
    if seat is None:
        known = queries.seat(durable.chain.state, number)
        left = known is not None and known.status is SeatStatus.LEFT
        return "it has left the validators" if left else "it is a learner"
    if seat.vote_key != home.load_key(KeyPurpose.VOTE).public:
        return "the chain names another vote key than that of this home"
    if durable.vote_log is None:
        return "its vote log is lost or incomplete: its key must not vote again, a rotation gives it a new one"
    return ""


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
    """Open the vote log, or make the first one of a new vote key; raises VoteLogMissing if the key has lost its own.

    That the key has a log is durable before the first vote: a host that loses power forgets neither or both.
    """
    public = home.load_key(KeyPurpose.VOTE).public
    if not home.vote_log.exists():
        used = used_vote_key(home)
        is_new = chain.head.header.height == 0 if used is None else used not in {"", public.hex()}
        if not is_new:
            raise VoteLogMissing(f"vote log {home.vote_log}", expected="the log of a key that has voted", got="none")
        VoteLog.create(home.vote_log, chain_id=genesis.chain_id).close()
    vote_log, recovered = VoteLog.open(home.vote_log, chain_id=genesis.chain_id)
    if recovered.torn_bytes:
        log.warning("vote-log-cut", torn_bytes=recovered.torn_bytes)
    note_used_vote_key(home, public)
    return vote_log, list(recovered.records)
