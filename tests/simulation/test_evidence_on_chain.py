"""Evidence on chain, over the real stack: it outlives the offender's seat, and however much there is halts nobody."""

import pytest

from consensus.ports import Effects
from consensus.replica import ends_era
from contracts import queries
from ledger.encoding import encode
from ledger.evidence import ProvenOffence
from ledger.hashing import sha256
from ledger.keys import SigningKey
from ledger.quantities import Height, ValidatorId
from ledger.records import SeatStatus
from ledger.transactions import ReportEquivocation, SignedTransaction, Transaction
from tests.simulation import real
from tests.simulation.families import really
from tests.simulation.faults import Faults
from tests.simulation.node import Node
from tests.simulation.runs import run_world
from tests.simulation.shapes import Errand, Shape
from tests.simulation.world import World

TWIN = ValidatorId(1)
"""First primary of the first era."""
SIZE = 5
MEMBERS = real.members(SIZE, 1)
CHANGE_AT = 3.0


class ReportingWorld(World):
    """A world in which the honest keep what they have found out, and put it on chain once its era is over."""

    proven: dict[ValidatorId, list[ProvenOffence]]
    raws: set[bytes]

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.proven, self.raws = {}, set()
        self.at(CHANGE_AT, self._wait)

    def _wait(self) -> None:
        """Report once the era is over for everybody."""
        if all(node.engine is not None and node.engine.era > 0 for node in self.honest):
            self.report()
        else:
            self.at(self.now + 0.1, self._wait)

    def report(self) -> None:
        """Bring everything to everybody: the same offence by each who knows of it, twice."""
        for who, offences in self.proven.items():
            for number, proven in enumerate(offences):
                for again in range(2):
                    key = MEMBERS.services[who]
                    self.raws.add(_signed(ReportEquivocation(evidence=proven.evidence), key, f"{number} {again}"))
        for raw in sorted(self.raws):
            for node in self.honest:
                self.submit(node, raw)

    def _listen(self, node: Node, effects: Effects) -> None:
        World._listen(self, node, effects)
        if node.honest:
            self.proven.setdefault(node.id, []).extend(effects.evidence)


def _signed(body: ReportEquivocation, key: SigningKey, name: str) -> bytes:
    transaction = Transaction(
        chain_id=MEMBERS.genesis.chain_id,
        author=key.public,
        nonce=sha256(key.public + name.encode())[:16],
        valid_until=Height(real.VALID_HEIGHTS),
        body=body,
    )
    return encode(SignedTransaction.sign(transaction, key))


def run(change: bytes) -> ReportingWorld:
    world = ReportingWorld(size=SIZE, seed=1, is_real=True, faults=Faults(delay=0.01))
    world.add_twin(TWIN, frozenset({ValidatorId(2), ValidatorId(3)}))
    errands = [Errand(item=f"item {number}".encode(), at=number / 4) for number in range(32)]
    errands.append(Errand(item=change, at=CHANGE_AT))
    shape = Shape(seed=1, family="mixed", size=SIZE, faults=Faults(delay=0.01), errands=tuple(errands))
    run_world(world, really(shape))
    return world


@pytest.mark.parametrize(
    ("change", "status"), [(b"-1", SeatStatus.LEFT), (b"~1", SeatStatus.VALIDATOR)], ids=["removed", "other keys"]
)
def test_b24_evidence_of_an_era_that_is_over_is_recorded_once_and_the_chain_goes_on(
    change: bytes, status: SeatStatus
) -> None:
    world = run(change)
    node = world.honest[0]
    assert isinstance(node.application, real.RealApplication)
    state = node.application.store.state
    seat = queries.seat(state, TWIN)
    assert seat is not None
    assert seat.status is status
    boundary = next(held.block.header.height for held in node.disk.blocks if ends_era(held.block.header))
    recorded = list(queries.offences(state))
    assert recorded
    assert {(record.offence.offender, record.offence.era) for record in recorded} == {(TWIN, 0)}
    assert all(record.recorded > boundary for record in recorded)
    decided = [raw for held in node.disk.blocks for raw in held.block.transactions if raw in world.raws]
    assert len(decided) > len(recorded) == len({record.offence for record in recorded})
    assert node.application.head.height > max(record.recorded for record in recorded)
