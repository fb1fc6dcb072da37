"""B16: nothing that peers say, up to f of them Byzantine, makes the engine raise anything but ProtocolViolation.

The messages are real ones with a small lie in them, signed again where the liar's key allows it; the engines are in the
midst of real work, with blocks in flight, view changes and restarts. After a violation everything is as it was.
"""

from contextlib import suppress
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ProtocolViolation
from consensus.messages import Message
from consensus.ports import Effects, Moment
from consensus.receiving import take_in
from consensus.replica import Replica
from ledger.quantities import ValidatorId
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge
from tests.ledger.strategies import trying, values
from tests.simulation.faults import Faults
from tests.simulation.runs import run_world
from tests.simulation.violation import Violation
from tests.simulation.world import World

FORGE = Forge()
A, B = FORGE.chain(2)


def state_of(replica: Replica) -> str:
    """Describe everything a replica knows, but for whose turn it was to answer."""
    state = {
        name: getattr(replica, name) for name in type(replica).__slots__ if name not in {"catch_up", "application"}
    }
    for part in ("safety", "tally", "bodies"):
        state[part] = vars(getattr(replica, part))
    catch_up = {name: getattr(replica.catch_up, name) for name in type(replica.catch_up).__slots__}
    del catch_up["blocks"]
    return repr((state, catch_up))


def checked(replica: Replica, sender: ValidatorId, message: Message, now: Moment, out: Effects) -> None:
    """Take a message in, and check that a violation has changed nothing."""
    before = state_of(replica)
    try:
        take_in(replica, sender, message, now, out)
    except ProtocolViolation as error:
        if state_of(replica) != before:
            raise Violation(f"a refused {type(message).__name__} has changed something") from error
        raise


@pytest.mark.parametrize("window", [1, 4])
def test_b16_lies_are_refused_or_harmless(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consensus.receiving.take_in", checked)
    faults = Faults(loss=0.05, duplicate=0.2, crash=0.002, busy=0.05, cut=0.1)
    refusals = 0
    for seed in range(1, 6):
        world = World(size=4, seed=10_000 + seed, window=window, faults=faults)
        world.add_liar(ValidatorId(1 + seed % 3), rate=0.9)
        run_world(world)
        refusals += sum("refuses" in line for line in world.transcript)
    assert refusals > 10


def busy_bench() -> Bench:
    """Return a replica in view 1, with a block in flight."""
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1, prepared=[FORGE.prepared(A.header)])
    bench.receive(2, FORGE.new_view(changes), *changes)
    bench.propose(A, view=1)
    return bench


@trying(150)
@given(st.sampled_from([1, 2, 3, 9]), values(Message))
def test_b16_messages_out_of_the_air_are_refused_or_harmless(sender: int, message: Message) -> None:
    bench = busy_bench()
    with patch("consensus.receiving.take_in", checked), suppress(ProtocolViolation):
        bench.receive(sender, message)
    assert bench.height == 0
