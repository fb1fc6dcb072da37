"""The world of a run: processes on a network, their clocks, disks and crashes, all drawn from one seed."""

from dataclasses import dataclass, field

from consensus.engine import Engine
from consensus.errors import ProtocolViolation
from consensus.learner import Learner
from consensus.ports import Effects, Moment, Send
from consensus.records import decode_record
from consensus.replica import ends_era
from ledger.certificates import CertifiedBlock
from ledger.evidence import Offence
from ledger.quantities import Height, TimeMs
from tests.simulation import telling
from tests.simulation.chain import EPOCH_MS
from tests.simulation.cluster import Cluster
from tests.simulation.faults import NO_FAULTS
from tests.simulation.node import Crash, Node
from tests.simulation.violation import Violation

DRIFT_MS = 5_000


@dataclass(slots=True)
class World(Cluster):
    """A cluster of engines and everything around them."""

    crash_at: int | None = None
    """Crash at exactly this persist point, counted over the whole run, and nowhere else."""
    crash_keeps: int | None = None
    """How many of the records that are not synced survive a crash; None: chance decides."""
    transcript: list[str] = field(default_factory=list)
    tells_all: bool = False
    """Whether the transcript has every delivery, sync and vote too: for one seed, not for a campaign."""
    points: list[tuple[str, list[bytes]]] = field(default_factory=list)
    """Persist points passed so far, each with the records that were written and not synced."""
    convicted: set[Offence] = field(default_factory=set)
    """Offences that honest replicas have found out or heard of."""

    def heal(self) -> None:
        """End all faults: everything arrives again, and every process that is stopped goes on."""
        Cluster.heal(self)
        self.faults = NO_FAULTS
        for node in self.nodes:
            node.paused_until = node.disk.full_until = 0.0

    def silence(self, node: Node) -> None:
        """End a process for good."""
        node.honest = False
        node.kill(self.chance)
        self.progress += 1
        self.note(f"{node.id} is silent from now on")

    def start_all(self) -> None:
        """Start every process."""
        for node in self.nodes:
            self.start(node)

    def start(self, node: Node) -> None:
        """Start a process from what is on its disk."""
        node.start(self.context, self.genesis, drift_ms=DRIFT_MS)
        assert node.engine is not None
        if node.honest:
            self.rules.on_synced(node.id, map(decode_record, node.disk.records))
        self.progress += 1
        self.note(f"{node.id} starts at height {node.engine.head.height} view {node.engine.view}")
        self._turn(node)

    def submit(self, node: Node, item: bytes) -> None:
        """Give an item to a process, as the mempool's gossip would."""
        if node.application is not None:
            node.application.submit(item)
            self.wake(node)

    def moment(self, node: Node) -> Moment:
        """Return a node's clocks."""
        return Moment(elapsed=self.now, time=TimeMs(EPOCH_MS + int(self.now * 1000) + node.skew_ms))

    def note(self, line: str) -> None:
        """Add a line to the transcript."""
        self.transcript.append(f"{self.now:9.4f} {line}")

    def kill(self, node: Node) -> None:
        """Kill a process; it restarts after a while."""
        node.kill(self.chance, self.crash_keeps)
        self.progress += 1
        self.note(f"{node.id} crashes")
        restart = max(self.now, node.disk.full_until) + self.chance.uniform(0.1, 3.0)
        self.at(restart, self._restart, node)

    def _restart(self, node: Node) -> None:
        if node.honest and node.engine is None:
            self.start(node)

    def wake(self, node: Node) -> None:
        """Give a process its next turn, soon."""
        if not node.turn_due and node.engine is not None:
            node.turn_due = True
            soon = max(self.now, node.paused_until) + self.faults.busy * self.chance.random()
            self.at(soon, self._turn, node)

    def _hand_over(self, node: Node) -> None:
        """Begin the next era where the head has ended one; the messages that came early for it come now."""
        machine = node.engine
        if machine is None or not machine.has_ended:
            return
        node.open(self.context, drift_ms=DRIFT_MS)
        self.note(f"{node.id} begins the era after block {machine.head.height}")
        self.happened["era"] += node.honest
        node.inbox += machine.later
        self.wake(node)

    def _turn(self, node: Node) -> None:
        """Give the engine everything that has arrived, and carry the effects out together, as the runtime does."""
        node.turn_due = False
        inputs, node.inbox = node.inbox, []
        engine = node.engine
        if engine is None:
            return
        if self.tells_all:
            for sender, message in inputs:
                self.note(f"{node.id} hears {sender}: {telling.of_message(message)}")
        try:
            effects = engine.turn(inputs, self.moment(node), refuse=lambda error: self._blame(node, error))
            self._carry_out(node, engine, effects)
        except Crash:
            self.kill(node)
        else:
            self._hand_over(node)

    def _blame(self, node: Node, error: ProtocolViolation) -> None:
        if node.honest and self.nodes[error.sender].honest:
            raise Violation(f"blame: {node.id} accuses {error.sender}, which is honest: {error}") from error
        self.note(f"{node.id} refuses: {error}")

    def _carry_out(self, node: Node, engine: Engine | Learner, effects: Effects) -> None:
        """Carry effects out, durable first, as every runtime must; crash wherever the seed says."""
        while True:
            self._listen(node, effects)
            if effects.append:
                self._point(node, "before append")
                self._append(node, effects.append)
                self._point(node, "after append")
            votes = engine.take_votes()
            records = effects.persist + ([] if votes is None else [votes])
            if records:
                node.disk.write(records)
                self._point(node, "before sync")
                node.disk.sync()
                if node.honest and not node.disk.unsynced:
                    self.rules.on_synced(node.id, records)
                if self.tells_all:
                    self.note(f"{node.id} syncs {telling.of_records(records)}")
                self._point(node, "after sync")
            for send in effects.send:
                self._say(node, send)
            if votes is None:
                break
            effects = engine.seal(self.moment(node))
            self._point(node, "after seal")
        if self.faults.cut and self.chance.random() < self.faults.cut:
            node.disk.cut()
        self._arm(node, effects.timer_at)

    def _listen(self, node: Node, effects: Effects) -> None:
        """Take down what a process says of itself and of others."""
        for event in effects.events:
            self.note(f"{node.id} {event.name} height={event.height} view={event.view} {event.detail}")
            self.happened[event.name] += node.honest
            self.progress += event.name.startswith("view-")
        for proven in effects.evidence:
            self._believe(node, proven.offence)

    def _say(self, node: Node, send: Send) -> None:
        if node.honest:
            self.checker.on_send(node.id, send.message, now=self.now)
        self._send(node, send.message, send.to)

    def _believe(self, node: Node, offence: Offence) -> None:
        if node.honest:
            accused = [process for process in self.nodes if process.id == offence.offender]
            self.checker.on_evidence(node.id, offence, honest=all(process.honest for process in accused))
            self.convicted.add(offence)

    def _append(self, node: Node, blocks: list[CertifiedBlock]) -> None:
        if node.honest:
            self.checker.on_append(node.id, Height(len(node.disk.blocks)), blocks)
            headers = [certified.block.header for certified in blocks]
            self.rules.on_append(node.id, headers)
            for header in filter(ends_era, headers):
                self._add_electorate(header)
        assert node.application is not None
        node.application.append(blocks)
        node.disk.blocks += blocks
        self.progress += 1

    def _point(self, node: Node, where: str) -> None:
        if node.honest and self.now < node.disk.full_until and where.startswith("before"):
            self.happened["write refused"] += 1
            raise Crash
        self.points.append((where, node.disk.unsynced))
        if len(self.points) == self.crash_at or (node.honest and self.chance.random() < self.faults.crash):
            self.happened[f"crash {where}"] += 1
            raise Crash

    def _arm(self, node: Node, when: float | None) -> None:
        assert when is not None
        node.timer += 1
        self.at(max(when, self.now + 1e-4), self._tick, node, node.timer)

    def _tick(self, node: Node, number: int) -> None:
        if node.timer == number:
            self.wake(node)
