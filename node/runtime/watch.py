"""What is watched beside the protocol: disk, clock, vote, what is stored, a second node, the next protocol version."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

from consensus.engine import Engine
from consensus.learner import Learner
from contracts import queries
from ledger.errors import QuorateError
from ledger.evidence import Offence
from ledger.hashing import Digest
from ledger.quantities import ValidatorId
from node.alarms import AlarmKind, AlarmLevel, Alarms
from node.config import AlarmsSection
from node.errors import SecondNode
from node.runtime.peer_clocks import FORGET_SECONDS, ClockOffset, PeerClocks, deviation_ms, wall_clock
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore
from node.storage.errors import DatabaseDamaged, StorageFailed
from node.storage.files import free_bytes

GRACE_TICKS = int(FORGET_SECONDS)
"""Ticks after the start in which nobody has to have answered yet."""


class Watch:
    """Looks about once a second, and raises and clears the alarms of one node."""

    def __init__(  # noqa: PLR0913 - one argument a part of the node
        self,
        *,
        section: AlarmsSection,
        data: Path,
        chain: ChainStore,
        store: BlobStore,
        clocks: PeerClocks,
        connected: Callable[[], AbstractSet[ValidatorId]],
        machine: Callable[[], Engine | Learner | None],
        protocols: AbstractSet[int],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        """`machine` is what takes part in the era; none where this node is no validator."""
        self.alarms = Alarms()
        self._section = section
        self._data = data
        self._chain = chain
        self._store = store
        self._lost = set(store.lost)
        self._clocks = clocks
        self._connected = connected
        self._machine = machine
        self._protocols = protocols
        self._on_fatal = on_fatal
        self._ticks = 0
        self._silent_ticks = 0

    def tick(self) -> None:
        """Look at everything; raises StorageFailed where even that is refused."""
        self._ticks += 1
        self._look_at_disk()
        self._look_at_links()
        self._look_at_clock()
        self._look_at_vote()
        self._look_at_blobs()
        self._look_at_protocol()
        self._look_for_second_node()

    def on_facts_differ(self, blob: Digest, peers: int) -> None:
        """Take note that so many peers compute other facts of a blob than this node."""
        if peers >= queries.validators(self._chain.state).weak_quorum:
            self._put(
                AlarmKind.CORRUPTION,
                AlarmLevel.CRITICAL,
                f"{peers} validators compute other facts of blob {blob.hex()}: check this host's memory and disk",
                subject="facts",
            )

    def on_own_offence(self, offence: Offence, *, votes: bool) -> None:
        """Take note of verified evidence against this validator itself, which its own vote log would have refused.

        So another process signs with its key, or the log is not the whole one. A node that `votes` must stop; one that
        only follows has to go on, since it is to take over a new key from the chain.
        """
        detail = f"{offence.kind.name.lower()} in era {offence.era}, view {offence.view}, at height {offence.height}"
        if votes:
            self._on_fatal(SecondNode("contradicting votes by this validator's key", expected="none", got=detail))
        else:
            self._put(AlarmKind.SECOND_NODE, AlarmLevel.CRITICAL, f"signed by this key: {detail}", subject="evidence")

    def on_refused(self, error: QuorateError) -> None:
        """Take note of what a caller's request met, where it is this node's storage that is at fault."""
        if isinstance(error, DatabaseDamaged | StorageFailed):
            self._put(AlarmKind.CORRUPTION, AlarmLevel.CRITICAL, str(error), subject="database")

    def _look_at_disk(self) -> None:
        free, section = free_bytes(self._data), self._section
        if free < section.disk_free_bytes_min:
            detail = f"{free:,} bytes are free, blobs are refused below {section.disk_free_bytes_min:,}"
            self._put(AlarmKind.DISK, AlarmLevel.CRITICAL, detail)
        elif free < section.disk_free_bytes_warn:
            detail = f"{free:,} bytes are free, expected {section.disk_free_bytes_warn:,}"
            self._put(AlarmKind.DISK, AlarmLevel.WARNING, detail)
        else:
            self.alarms.clear(AlarmKind.DISK)

    def _look_at_clock(self) -> None:
        offsets = [found.certain_ms for found in self._heard().values()]
        deviation = deviation_ms(offsets, peers=self._peers)
        if deviation is None:
            return
        if abs(deviation) <= self._section.clock_offset_ms_max:
            self.alarms.clear(AlarmKind.CLOCK)
            return
        drift = queries.parameters(self._chain.state).clock_drift_ms
        side = "behind" if deviation > 0 else "ahead of"
        self._put(
            AlarmKind.CLOCK,
            AlarmLevel.CRITICAL if abs(deviation) >= drift else AlarmLevel.WARNING,
            f"this clock is at least {abs(deviation):,} ms {side} those of f+1 peers; proposals dated {drift:,} ms "
            "ahead are refused",
        )

    def _look_at_links(self) -> None:
        validators, answered = queries.validators(self._chain.state), len(self._heard())
        if answered + 1 >= validators.quorum:
            self.alarms.clear(AlarmKind.LINKS)
        elif self._ticks >= GRACE_TICKS:
            reached = len(self._connected())
            detail = (
                f"{answered} peers answer, {validators.quorum - 1} make a quorum with this node; {reached} can be "
                "reached from here: they dial the address that the chain has for this validator"
            )
            self._put(AlarmKind.LINKS, AlarmLevel.WARNING, detail)

    def _look_at_vote(self) -> None:
        """Tell of a validator without a vote, for its operator to act, at once; of one between views after a while."""
        machine = self._machine()
        if machine is None or not machine.silence:
            self._silent_ticks = 0
            self.alarms.clear(AlarmKind.VOTE)
            return
        self._silent_ticks += 1
        if isinstance(machine, Learner):
            self._put(AlarmKind.VOTE, AlarmLevel.CRITICAL, f"this validator does not vote: {machine.silence}")
        elif self._silent_ticks > GRACE_TICKS:
            self._put(AlarmKind.VOTE, AlarmLevel.WARNING, f"this validator does not vote now: {machine.silence}")

    def _look_at_blobs(self) -> None:
        self._lost = {digest for digest in self._lost if not self._store.has(digest)}
        if self._lost:
            detail = f"{len(self._lost)} stored blobs are gone and not fetched again yet, {min(self._lost).hex()} first"
            self._put(AlarmKind.CORRUPTION, AlarmLevel.CRITICAL, detail, subject="blobs")
        else:
            self.alarms.clear(AlarmKind.CORRUPTION, subject="blobs")

    def _look_at_protocol(self) -> None:
        decided = queries.protocol(self._chain.state)
        if decided is None or decided.version in self._protocols:
            self.alarms.clear(AlarmKind.PROTOCOL)
            return
        detail = (
            f"protocol version {decided.version} begins at block {decided.height:,}, and this software knows "
            f"{sorted(self._protocols)}: the node stops before that block"
        )
        self._put(AlarmKind.PROTOCOL, AlarmLevel.CRITICAL, detail)

    def _look_for_second_node(self) -> None:
        met = sorted(peer for peer, found in self._heard().items() if found.second_node)
        if len(met) >= queries.validators(self._chain.state).weak_quorum:
            self._on_fatal(SecondNode("processes with this validator's keys", expected="one", got=f"two, say {met}"))
        elif met:
            detail = f"validators {met} have met another process that runs as this one"
            self._put(AlarmKind.SECOND_NODE, AlarmLevel.WARNING, detail)
        else:
            self.alarms.clear(AlarmKind.SECOND_NODE)

    def _heard(self) -> dict[ValidatorId, ClockOffset]:
        """Return what the other validators have told lately; a learner's word counts for nothing here."""
        members = queries.validators(self._chain.state)
        return {peer: found for peer, found in self._clocks.offsets.items() if peer in members}

    @property
    def _peers(self) -> int:
        return queries.validators(self._chain.state).size - 1

    def _put(self, kind: AlarmKind, level: AlarmLevel, detail: str, *, subject: str = "") -> None:
        self.alarms.put(kind, level, detail, now=wall_clock(), subject=subject)
