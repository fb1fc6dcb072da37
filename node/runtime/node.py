"""One validator put together: what is durable is opened first, then the engine, then the duties, then the links."""

import asyncio
import os
from collections.abc import Set as AbstractSet
from pathlib import Path

import structlog

from consensus.engine import Engine
from consensus.messages import Message
from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.evidence import ProvenOffence
from ledger.parameters import PROTOCOLS_KNOWN
from ledger.quantities import Height, ValidatorId
from node.config import Configuration
from node.errors import ProtocolUnknown
from node.home import Home
from node.mempool import Mempool
from node.runtime.api import NodeApi
from node.runtime.application import ChainApplication
from node.runtime.blobs import LocalBlobs
from node.runtime.chain_log import log_entries
from node.runtime.committee import CommitteeDuty
from node.runtime.ending import Ending
from node.runtime.gossip import Gossip
from node.runtime.holding import Holding
from node.runtime.joining import Joiner, Standing
from node.runtime.listeners import Listeners
from node.runtime.loop import ConsensusLoop
from node.runtime.opening import JOINING, Durable, open_machine
from node.runtime.peer_clocks import PeerClocks
from node.runtime.presence import Presence
from node.runtime.reporting import Reporting
from node.runtime.snapshot_making import SnapshotMaker
from node.runtime.status import NodeStatus, node_status
from node.runtime.tasks import Tasks
from node.runtime.watch import Watch
from node.runtime.wire import INSTANCE_BYTES, Announce, ClockAsked, ClockTold, Duty, Held, Transactions
from node.runtime.wires import Wires
from node.runtime.workers import Worker
from node.seat import take_seat
from node.storage.errors import SnapshotUnusable
from node.storage.snapshot_install import make_ready

log = structlog.get_logger()

TICK_SECONDS = 1.0
CUT_SECONDS_MAX = 3_600.0
"""Longest that cutting a state into ranges may take."""


class Node(Presence, Ending, Listeners):
    """A running validator; `start` once, `stop` once."""

    def __init__(
        self, home: Home, configuration: Configuration, *, protocols: AbstractSet[int] = PROTOCOLS_KNOWN
    ) -> None:
        """Open everything durable and check it.

        Raises ConfigurationError, InputError, VerificationFailed, or ProtocolUnknown where the next block follows none
        of the `protocols` that this software knows.
        """
        Ending.__init__(self)
        Listeners.__init__(self)
        self._protocols = protocols
        genesis = home.load_genesis()
        self._home = home
        self._durable = Durable.open(home, genesis, configuration)
        try:
            self.member = take_seat(home, genesis, self._durable.chain.state)
            """Place in the chain; membership transactions change it."""
            self._assemble(home, configuration)
        except BaseException:
            self._durable.close()
            raise

    def _assemble(self, home: Home, configuration: Configuration) -> None:
        self.chain = self._durable.chain
        self.mempool = Mempool(configuration.limits)
        self.application = ChainApplication(self.chain, self.mempool, self.member.chain_id, protocols=self._protocols)
        self.application.check_next(self.chain.state)
        self.is_stopped = False
        self._tasks = Tasks(on_fatal=self._fatal)
        self._wires = Wires(
            home,
            self.member,
            queries.seats(self.chain.state),
            configuration.link,
            store=self._durable.store,
            shelf=self._durable.shelf,
            on_message=self._on_message,
            on_duty=self._on_duty,
            on_violation=self._violation,
        )
        self._reporting = Reporting(outbox=self, state=lambda: self.chain.state)
        self.loop = self._make_loop(home, configuration)
        self._wires.on_lost(self.loop.lost)
        self._gossip = Gossip(
            application=self.application, mempool=self.mempool, broadcast=self.broadcast, poke=self.loop.poke
        )
        self._worker = Worker(seconds_max=float(configuration.limits.worker_seconds_max))
        self._blobs = LocalBlobs(
            store=self._durable.store,
            chain=self.chain,
            worker=self._worker,
            fetch=self._wires.fetch,
            peers=lambda: sorted(self._wires.connected),
            author=self.member.service_key.public,
            scratch=home.data / "scratch",
        )
        self._cutter = Worker(seconds_max=CUT_SECONDS_MAX)
        self._snapshots = SnapshotMaker(
            shelf=self._durable.shelf,
            chain=self.chain,
            worker=self._cutter,
            section=configuration.snapshots,
            tasks=self._tasks,
        )
        self.application.on_appending(self._snapshots.on_appending)
        self._joiner = Joiner(
            folder=home.data / JOINING,
            genesis=self.member.genesis,
            section=configuration.snapshots,
            standing=self._standing,
            peers=lambda: self._wires.connected,
            ask=self._wires.ask_snapshot,
            on_ready=lambda height, database: self._reopen(home, height, database),
            tasks=self._tasks,
        )
        self._clocks = PeerClocks(instance=os.urandom(INSTANCE_BYTES), outbox=self)
        self._watch = Watch(
            section=configuration.alarms,
            data=home.data,
            chain=self.chain,
            store=self._durable.store,
            clocks=self._clocks,
            connected=lambda: self._wires.connected,
            machine=lambda: self.loop.engine if self.is_validator else None,
            protocols=self._protocols,
            on_fatal=self._fatal,
        )
        self._holding = Holding(
            blobs=self._blobs,
            outbox=self,
            tasks=self._tasks,
            limits=configuration.limits,
            on_differ=self._watch.on_facts_differ,
        )
        self._committee = CommitteeDuty(blobs=self._blobs, holding=self._holding, outbox=self, tasks=self._tasks)
        self.api = NodeApi(
            member=lambda: self.member,
            chain=self.chain,
            mempool=self.mempool,
            gossip=self._gossip,
            blobs=self._blobs,
            holding=self._holding,
            watch=self._watch,
            status=self.status,
        )
        # Who we are comes first: the others ask for it.
        for listener in (
            self._look_at_membership,
            self._log_entries,
            self._holding.on_appended,
            self.api.on_appended,
            self._blobs.on_appended,
            lambda _: self._committee.look(),
            self._look_at_protocol,
        ):
            self.application.on_appended(listener)

    # --- the node as its duties see it -------------------------------------------------------------------------------

    def status(self) -> NodeStatus:
        """Return where this node stands."""
        return node_status(
            self.member.validator,
            chain=self.chain,
            engine=self.loop.engine,
            mempool=self.mempool,
            store=self._durable.store,
            connected=self._wires.connected,
            clocks=self._clocks.offsets,
            alarms=tuple(self._watch.alarms),
            snapshot=self._durable.shelf.newest(),
            joining=self._joiner.progress,
        )

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Link up with the peers and take part."""
        header = self.chain.head.header
        log.info(
            "started",
            validator=self.member.validator,
            organisation=self.member.organisation,
            chain=self.member.genesis.document.chain,
            height=header.height,
            view=self.loop.engine.view,
        )
        self.loop.engine.ask_for_blocks(behind_max=self._joiner.blocks_behind_max)
        self._wires.start()
        self.loop.poke()
        for digest in self._durable.store.lost:
            self._holding.keep(digest)
        if self.chain.base:
            for digest in self._blobs.owed():
                self._holding.keep_if_missing(digest)
        self._tasks.spawn(self._tick(), name="tick")

    async def stop(self) -> None:
        """Take no more part; everything that was sent is durable."""
        self.is_stopped = True
        self.loop.stop()
        await self._tasks.close()
        await self._wires.close()
        await self._worker.close()
        await self._cutter.close()
        self._durable.close()
        log.info("stopped", height=self.chain.head.header.height)

    async def _tick(self) -> None:
        """Do once a second what no message brings about; without it the node would slowly fall silent, so it stops."""
        try:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                self._gossip.tick()
                self._holding.tick()
                self._committee.look()
                self._blobs.expire()
                self._reporting.tick()
                self._clocks.tick()
                self._watch.tick()
                self._wires.tick()
                self._joiner.tick()
                self.loop.engine.ask_for_blocks(behind_max=self._joiner.blocks_behind_max)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would notice
            self._fatal(error)

    def _standing(self) -> Standing:
        engine = self.loop.engine
        return Standing(
            head=self.api.height,
            certain=engine.certain_head,
            serving=engine.peers_serving,
            weak_quorum=self.validators.weak_quorum,
        )

    def _reopen(self, home: Home, height: Height, database: Path) -> None:
        """End, to be opened again with a database that is ahead of this one; nothing is appended any more."""
        self.loop.stop()
        if height <= self.api.height:
            raise SnapshotUnusable("snapshot", expected=f"a height above {self.api.height}", got=height)
        make_ready(database, home.data)
        log.info("joined", height=height, left=self.api.height)
        self.reopens = True
        self.ending.set()

    # --- parts -------------------------------------------------------------------------------------------------------

    def _make_loop(self, home: Home, configuration: Configuration) -> ConsensusLoop:
        timing = configuration.timing
        return ConsensusLoop(
            begin_era=lambda: open_machine(self._durable, home, self.member, self.application, timing),
            application=self.application,
            durable=self._durable,
            send=self._wires.carry,
            on_event=self._report,
            on_evidence=self._on_evidence,
            on_violation=self._violation,
            on_fatal=self._fatal,
        )

    def _on_evidence(self, proven: ProvenOffence) -> None:
        self._reporting.on_evidence(proven)
        if proven.offence.offender == self.member.validator and proven.offence.era == self.era:
            self._watch.on_own_offence(proven.offence, votes=isinstance(self.loop.engine, Engine))

    def _on_message(self, peer: ValidatorId, message: Message) -> None:
        self.loop.receive(peer, message)

    def _on_duty(self, peer: ValidatorId, message: Duty) -> None:
        match message:
            case Transactions():
                self._gossip.on_transactions(peer, message)
            case Announce() | Held() if peer not in self.validators:
                return
            case Announce():
                self._holding.on_announce(peer, message)
            case Held():
                self._holding.on_held(peer, message)
            case ClockAsked():
                self._clocks.on_asked(peer, message)
            case ClockTold():
                self._clocks.on_told(peer, message)

    def _log_entries(self, executed: ExecutedBlock) -> None:
        log_entries(executed, view=self.loop.engine.view)

    def _look_at_protocol(self, _executed: ExecutedBlock) -> None:
        """Stop before the first block whose rules this software does not know, once the one below it is everywhere."""
        try:
            self.application.check_next(self.chain.state)
        except ProtocolUnknown as error:
            self._end_soon(error)
