"""One process of a run: an engine, its application, its disk, and what has arrived for its next turn."""

import random
from dataclasses import dataclass, field

from consensus.engine import Engine
from consensus.messages import Message
from consensus.new_view import EraContext
from consensus.ports import Head, Timing
from consensus.records import Record, decode_record, encode_record, needed_records
from ledger.blocks import BlockHeader
from ledger.certificates import CertifiedBlock
from ledger.keys import SigningKey
from ledger.quantities import Height, ValidatorId
from tests.simulation.byzantine import Liar
from tests.simulation.toy import ToyApplication

TIMING = Timing(view=1.0, view_max=8.0, resend=0.3, status=0.7, fetch=0.3)


class Crash(Exception):
    """The process is killed here."""


@dataclass(slots=True)
class Disk:
    """What survives a crash: synced records and blocks, and perhaps a prefix of what was not synced."""

    records: list[bytes] = field(default_factory=list)
    unsynced: list[bytes] = field(default_factory=list)
    blocks: list[CertifiedBlock] = field(default_factory=list)

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

    def cut(self) -> None:
        """Forget the records that appended blocks have made needless."""
        self.records = needed_records(self.records, head=Height(len(self.blocks)))


@dataclass(slots=True)
class Node:
    """One process."""

    id: ValidatorId
    key: SigningKey
    skew_ms: int
    disk: Disk = field(default_factory=Disk)
    engine: Engine | None = None
    application: ToyApplication | None = None
    inbox: list[tuple[ValidatorId, Message]] = field(default_factory=list)
    """Messages for the next turn."""
    heard: dict[ValidatorId, int] = field(default_factory=dict)
    """Number of the latest message that has arrived from a peer."""
    turn_due: bool = False
    timer: int = 0
    """Number of the timer event that counts; older ones are void."""
    audience: frozenset[ValidatorId] | None = None
    """Peers that hear it and that it hears; None: all. A twin has half of them."""
    liar: Liar | None = None
    """What makes of each message whatever it likes."""
    honest: bool = True

    def start(self, context: EraContext, genesis: BlockHeader, *, drift_ms: int) -> None:
        """Start the process from what is on its disk."""
        application = ToyApplication(genesis)
        for certified in self.disk.blocks:
            application.process_proposal(certified.block)
            application.append([certified])
        certificate = self.disk.blocks[-1].certificate if self.disk.blocks else None
        self.application = application
        self.engine = Engine(
            context=context,
            validator=self.id,
            key=self.key,
            head=Head(header=application.head, certificate=certificate),
            application=application,
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
