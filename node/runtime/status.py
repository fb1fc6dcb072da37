"""Where a node stands, and whether callers should be sent to it."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from consensus.engine import Engine
from consensus.learner import Learner
from contracts import queries
from ledger.hashing import Digest
from ledger.quantities import Era, Height, TimeMs, ValidatorId, View
from node.alarms import Alarm
from node.mempool import Mempool
from node.runtime.joining import JoinProgress
from node.runtime.peer_clocks import ClockOffset, wall_clock
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore


@cache
def software_version() -> str:
    """Return the release that runs."""
    return metadata.version("quorate")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """Another validator as this node sees it."""

    validator: ValidatorId
    connected: bool
    head: Height | None
    """Height it last claimed; a hint."""
    clock_offset_ms: int | None
    """How far its clock is ahead of ours; None if it has not answered lately."""
    clock_error_ms: int | None
    """Bound on the error of that: half of the round trip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A version of the rules that is decided and not in force yet."""

    version: int
    height: Height
    """First block of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Where this node stands."""

    validator: ValidatorId | None
    """Its number; None for a learner that no block here has registered yet."""
    seat: str
    """What it is: validator, learner, left, or none."""
    software: str
    """Release that runs."""
    protocol: int
    """Version of the rules that the next block follows."""
    upcoming: Upcoming | None
    """The next version, if one is decided."""
    clock: TimeMs
    """This host's time."""
    height: Height
    head: Digest
    time: TimeMs
    state_root: Digest
    era: Era
    view: View
    primary: ValidatorId
    active: bool
    """Whether the view was entered; false while changing it."""
    behind: bool
    """Whether f+1 peers claim a higher head, or a certificate is here of a block that is not."""
    mempool_transactions: int
    mempool_bytes: int
    blob_bytes: int
    peers: tuple[PeerStatus, ...]
    alarms: tuple[Alarm, ...]
    base: Height
    """Height up to which this node has no blocks, having joined from a snapshot; 0 with all of them."""
    snapshot: Height | None
    """Height of the newest snapshot that it keeps for others."""
    joining: JoinProgress | None
    """A join from a snapshot that is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessCheck:
    """One reason to send callers here, or elsewhere."""

    name: str
    ok: bool
    detail: str


def node_status(  # noqa: PLR0913 - one argument a part of the node
    validator: ValidatorId | None,
    *,
    chain: ChainStore,
    engine: Engine | Learner,
    mempool: Mempool,
    store: BlobStore,
    connected: AbstractSet[ValidatorId],
    clocks: Mapping[ValidatorId, ClockOffset],
    alarms: tuple[Alarm, ...],
    snapshot: Height | None,
    joining: JoinProgress | None,
) -> NodeStatus:
    """Return where the node of a validator stands."""
    header, heads = chain.head.header, engine.peer_heads
    others = [member.id for member in queries.validators(chain.state).members if member.id != validator]
    return NodeStatus(
        validator=validator,
        seat=_seat(validator, chain),
        software=software_version(),
        protocol=queries.parameters(chain.state).protocol,
        upcoming=_upcoming(chain),
        clock=wall_clock(),
        height=Height(header.height),
        head=header.digest,
        time=TimeMs(header.time),
        state_root=header.state_root,
        era=Era(header.era),
        view=engine.view,
        primary=engine.primary,
        active=engine.is_active,
        behind=engine.is_behind,
        mempool_transactions=len(mempool),
        mempool_bytes=mempool.bytes_total,
        blob_bytes=store.bytes_total,
        peers=tuple(
            _peer(other, connected=other in connected, head=heads.get(other), clock=clocks.get(other))
            for other in others
        ),
        alarms=alarms,
        base=chain.base,
        snapshot=snapshot,
        joining=joining,
    )


def _upcoming(chain: ChainStore) -> Upcoming | None:
    decided = queries.protocol(chain.state)
    if decided is None or decided.version == queries.parameters(chain.state).protocol:
        return None
    return Upcoming(version=decided.version, height=Height(decided.height))


def _seat(validator: ValidatorId | None, chain: ChainStore) -> str:
    seat = None if validator is None else queries.seat(chain.state, validator)
    return "none" if seat is None else seat.status.name.lower()


def _peer(validator: ValidatorId, *, connected: bool, head: Height | None, clock: ClockOffset | None) -> PeerStatus:
    return PeerStatus(
        validator=validator,
        connected=connected,
        head=head,
        clock_offset_ms=None if clock is None else clock.offset_ms,
        clock_error_ms=None if clock is None else clock.error_ms,
    )


def readiness(status: NodeStatus, *, quorum: int) -> list[ReadinessCheck]:
    """Return what must hold for callers to be sent to a node."""
    if status.seat != "validator":
        return [ReadinessCheck(name="seat", ok=False, detail=f"this node is no validator, but: {status.seat}")]
    connected = 1 + sum(peer.connected for peer in status.peers)
    return [
        ReadinessCheck(
            name="quorum",
            ok=connected >= quorum,
            detail=f"{connected} of {1 + len(status.peers)} validators in reach, itself included; {quorum} needed",
        ),
        ReadinessCheck(name="view", ok=status.active, detail=f"view {status.view}"),
        ReadinessCheck(name="head", ok=not status.behind, detail=f"height {status.height}"),
    ]
