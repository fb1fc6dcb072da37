"""One node's blobs and duties over real stores and a real worker, without links: peers are what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ledger.blobs import SignedTicket, UploadTicket
from ledger.encoding import encode
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Era, Height, ModelVersion, RoundNumber, ValidatorId
from ledger.records import TaskRecord, TaskStatus
from ledger.transactions import Body
from ledger.validators import ValidatorSet
from node.config import LimitsSection
from node.runtime.blobs import LocalBlobs
from node.runtime.holding import Holding
from node.runtime.membership import Membership
from node.runtime.tasks import Tasks
from node.runtime.wire import Duty
from node.runtime.workers import Worker
from node.storage import schema
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.storage.kv import MemoryStore
from node.transport.errors import BlobNotHere, LinkError
from tests.consortium import Consortium, consortium
from tests.network import WAIT_SECONDS
from tests.vectors.ledger_nouns import SPEC

ME = ValidatorId(0)
Peer = Callable[[Digest, Callable[[bytes], None], int], None]
"""Answers a fetch: gives bytes to the sink, or raises LinkError."""


def serving(*blobs: bytes) -> Peer:
    """Return a peer that holds these blobs."""
    held = {sha256(data): data for data in blobs}

    def answer(digest: Digest, sink: Callable[[bytes], None], _size: int) -> None:
        if digest not in held:
            raise BlobNotHere("blob", expected="one", got="none")
        sink(held[digest])

    return answer


def forging(_digest: Digest, sink: Callable[[bytes], None], size: int) -> None:
    """Answer with as many bytes as asked for, all of them wrong."""
    sink(b"\xff" * size)


def failing(_digest: Digest, _sink: Callable[[bytes], None], _size: int) -> None:
    """Answer nothing."""
    raise LinkError("peer", expected="an answer", got="none")


@dataclass(slots=True)
class Peers:
    """The other validators as this node's links reach them."""

    answers: dict[ValidatorId, Peer] = field(default_factory=dict)
    asked: list[ValidatorId] = field(default_factory=list)

    async def fetch(self, peer: ValidatorId, digest: Digest, sink: Callable[[bytes], None], size: int) -> None:
        """Ask a peer, as links do."""
        self.asked.append(peer)
        self.answers[peer](digest, sink, size)


@dataclass(slots=True)
class Outbox:
    """Keeps what the duties say."""

    member: Membership
    validators: ValidatorSet
    era: Era
    said: list[Duty] = field(default_factory=list)
    submitted: list[Body] = field(default_factory=list)
    spoke: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_validator(self) -> bool:
        """Whether this node is in the set."""
        return self.member.validator in self.validators.ids

    async def spoken(self) -> None:
        """Wait until a duty has said something to a peer."""
        await asyncio.wait_for(self.spoke.wait(), WAIT_SECONDS)

    def broadcast(self, message: Duty) -> None:
        """Keep what goes to all."""
        self.said.append(message)
        self.spoke.set()

    def send(self, _to: ValidatorId, message: Duty) -> None:
        """Keep what goes to one."""
        self.said.append(message)
        self.spoke.set()

    def submit(self, body: Body) -> None:
        """Keep what is to be ordered."""
        self.submitted.append(body)


@dataclass(slots=True, kw_only=True)
class Bench:
    """The parts of validator 0 that deal with blobs."""

    members: Consortium
    kv: MemoryStore
    store: BlobStore
    blobs: LocalBlobs
    holding: Holding
    outbox: Outbox
    tasks: Tasks
    scratch: Path
    peers: Peers

    def put_state(self, key: bytes, value: msgspec.Struct) -> None:
        """Let the state after the head hold a record."""
        self.kv.write({schema.state(key): encode(value)}, sync=True)

    def add(self, data: bytes, *, author: SigningKey | None = None, expires: int = 100) -> Digest:
        """Store a blob as if it had just been uploaded."""
        who = author or self.members.operators["org-00"]
        with self.store.begin(sha256(data), len(data), author=who.public, expires=Height(expires)) as incoming:
            incoming.write(data)
            incoming.finish()
        return sha256(data)

    def ticket(
        self,
        data: bytes,
        *,
        author: SigningKey | None = None,
        layout: Digest = ZERO_DIGEST,
        expires: int = 100,
        size: int | None = None,
    ) -> SignedTicket:
        """Return leave to upload `data`, by default of the first operator."""
        key = author or self.members.operators["org-00"]
        unsigned = UploadTicket(
            chain_id=self.members.genesis.chain_id,
            author=key.public,
            blob=sha256(data),
            size=len(data) if size is None else size,
            layout=layout,
            expires=Height(expires),
        )
        return SignedTicket.sign(unsigned, key)


@asynccontextmanager
async def bench(folder: Path, *, limits: LimitsSection | None = None) -> AsyncIterator[Bench]:
    """Put the parts together until the block ends."""
    limits = limits or LimitsSection()
    members, kv = consortium(), MemoryStore()
    chain = ChainStore(kv, members.genesis)
    store = BlobStore(folder / "blobs", MemoryStore(), quota_bytes=limits.storage_bytes_max)
    scratch = folder / "scratch"
    fatal: list[BaseException] = []
    worker, tasks, peers = Worker(seconds_max=60), Tasks(on_fatal=fatal.append), Peers()
    blobs = LocalBlobs(
        store=store,
        chain=chain,
        worker=worker,
        fetch=peers.fetch,
        peers=lambda: sorted(peers.answers),
        author=members.services[ME].public,
        scratch=scratch,
    )
    member = Membership(genesis=members.genesis, validator=ME, organisation="org-00", service_key=members.services[ME])
    outbox = Outbox(member=member, validators=members.genesis.validators, era=Era(0))
    holding = Holding(blobs=blobs, outbox=outbox, tasks=tasks, limits=limits, on_differ=lambda *_: None)
    try:
        yield Bench(
            members=members,
            kv=kv,
            store=store,
            blobs=blobs,
            holding=holding,
            outbox=outbox,
            tasks=tasks,
            scratch=scratch,
            peers=peers,
        )
    finally:
        await tasks.close()
        await worker.close()
        assert fatal == []


def running_task(name: str, *, number: int, retain: int) -> TaskRecord:
    """Return the record of a task in its round `number`."""
    return TaskRecord(
        spec=replace(SPEC, name=name, retain_rounds=retain),
        registered=Height(1),
        status=TaskStatus.RUNNING,
        round=RoundNumber(number),
        version=ModelVersion(0),
        model=ZERO_DIGEST,
    )
