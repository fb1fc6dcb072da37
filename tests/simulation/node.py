"""One process of a run: an engine, its application, its disk, and what has arrived for its next turn."""

import random
from dataclasses import dataclass, field
from typing import Protocol

from consensus.engine import Engine
from consensus.learner import Learner
from consensus.messages import Message
from consensus.new_view import EraContext
from consensus.ports import Application, Head, Timing
from consensus.records import Record, decode_record, encode_record, needed_records, records_since
from consensus.replica import ends_era
from ledger.blocks import BlockHeader
from ledger.certificates import CertifiedBlock
from ledger.keys import SigningKey
from ledger.quantities import Height, ValidatorId
from tests.simulation.byzantine import Liar
from tests.simulation.chain import key_of, next_context
from tests.simulation.toy import ToyApplication

TIMING = Timing(view=1.0, view_max=8.0, resend=0.8, status=2.0, fetch=1.0)
"""A node's defaults, twice as slow."""


class Crash(Exception):
    """The process is killed here."""


class Opened(Application, Protocol):
    """An application in a run."""

    @property
    def head(self) -> BlockHeader:
        """Last appended header."""
        ...

    def submit(self, item: bytes) -> None:
        """Admit an item."""
        ...

    def append(self, blocks: list[CertifiedBlock]) -> None:
        """Append final blocks, all executed before."""
        ...


@dataclass(slots=True)
class Disk:
    """What survives a crash: synced records and blocks, and perhaps a prefix of what was not synced."""

    records: list[bytes] = field(default_factory=list)
    unsynced: list[bytes] = field(default_factory=list)
    blocks: list[CertifiedBlock] = field(default_factory=list)
    full_until: float = 0.0
    """Until when there is no room: every write fails, and a process stops at the first one."""

    def write(self, records: list[Record]) -> None:
        """Take records that are lost in a crash unless `sync` comes first."""
        self.unsynced += [encode_record(record) for record in records]

    def sync(self) -> None:
        """Make everything written durable."""
        self.records += self.unsynced
        self.unsynced = []

    def crash(self, chance: random.Random, keeps: int | None) -> None:
        """Lose what was not synced, from some record on."""
        kept = chance.randint(0, len(self.unsynced)) if keeps is None else keeps
        self.records += self.unsynced[:kept]
        self.unsynced = []

    def opened(self, genesis: BlockHeader) -> Opened:
        """Return the application as the appended blocks have left it."""
        application = ToyApplication(genesis)
        for certified in self.blocks:
            application.process_proposal(certified.block)
            application.append([certified])
        return application

    def cut(self) -> None:
        """Forget the records that appended blocks have made needless."""
        self.records = needed_records(self.records, head=Height(len(self.blocks)))


@dataclass(slots=True)
class Node:
    """One process."""

    id: ValidatorId
    key: SigningKey
    """Its vote key of the first era."""
    skew_ms: int
    disk: Disk = field(default_factory=Disk)
    engine: Engine | Learner | None = None
    """What takes part in the era after the head, or follows it where this one has no vote."""
    application: Opened | None = None
    inbox: list[tuple[ValidatorId, Message]] = field(default_factory=list)
    """Messages for the next turn."""
    heard: dict[ValidatorId, int] = field(default_factory=dict)
    """Number of the latest message that has arrived from a peer."""
    turn_due: bool = False
    paused_until: float = 0.0
    """Until when the process is stopped: what arrives waits."""
    proposal_delay: float = 0.0
    """Seconds by which it holds back what it proposes."""
    timer: int = 0
    """Number of the timer event that counts; older ones are void."""
    audience: frozenset[ValidatorId] | None = None
    """Peers that hear it and that it hears; None: all. A twin has half of them."""
    liar: Liar | None = None
    """What makes of each message whatever it likes."""
    honest: bool = True

    def start(self, context: EraContext, genesis: BlockHeader, *, drift_ms: int) -> None:
        """Start the process from what is on its disk; `context` is that of the first era."""
        self.application = self.disk.opened(genesis)
        self.open(context, drift_ms=drift_ms)

    def open(self, context: EraContext, *, drift_ms: int) -> None:
        """Begin the era that follows from the chain."""
        assert self.application is not None
        ends = [block.block.header for block in self.disk.blocks if ends_era(block.block.header)]
        if ends:
            context = next_context(ends[-1], window=context.window)
        certificate = self.disk.blocks[-1].certificate if self.disk.blocks else None
        head = Head(header=self.application.head, certificate=certificate)
        member = context.validators.get(self.id)
        if member is None:
            self.engine = Learner(context=context, head=head, application=self.application, timing=TIMING)
            return
        self.disk.records = records_since(self.disk.records, context.era, root=context.root.height)
        self.engine = Engine(
            context=context,
            validator=self.id,
            key=self.key if self.key.public == member.vote_key else key_of(member),
            head=head,
            application=self.application,
            timing=TIMING,
            drift_ms=drift_ms,
            records=[decode_record(data) for data in self.disk.records],
        )

    def kill(self, chance: random.Random, keeps: int | None = None) -> None:
        """Lose everything that is not on the disk."""
        self.engine = self.application = None
        self.inbox = []
        self.disk.crash(chance, keeps)
        self.timer += 1
