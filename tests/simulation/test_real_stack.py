"""Runs over a node's own contracts, mempool, store and vote log; what is planted below the engine is found."""

import random
from collections.abc import Mapping

import pytest

from ledger.quantities import ValidatorId
from node.storage.chain_store import ChainStore
from tests.simulation import real
from tests.simulation.families import draw, really
from tests.simulation.faults import Faults
from tests.simulation.runs import run_shape
from tests.simulation.shapes import Errand, Shape
from tests.simulation.violation import Violation

MEMBERS = real.members(4, 1)


@pytest.mark.parametrize("seed", range(12))
def test_runs_over_the_real_stack_keep_every_promise(seed: int) -> None:
    world = run_shape(really(draw(seed)))
    heads = [node.disk.blocks[-1].block.header for node in world.honest]
    assert len({header.state_root for header in heads}) == 1
    assert heads[0].log_size > 0


def test_members_join_leave_and_change_their_keys_by_transactions() -> None:
    """Five validators become six, then five others, of whom one has other keys; all of them decide what comes last."""
    changes = [(b"+5", 2.0), (b"-0", 4.0), (b"~1", 6.0)]
    errands = [Errand(item=item, at=at) for item, at in changes]
    errands += [Errand(item=f"item {number}".encode(), at=number / 2) for number in range(16)]
    shape = Shape(seed=3, family="mixed", size=5, faults=Faults(delay=0.01), errands=tuple(errands), learners=1)
    world = run_shape(really(shape))
    era, voters = max(world.rules.electorates.items())
    assert era == 3
    assert set(voters.keys) == {1, 2, 3, 4, 5}
    assert voters.keys[ValidatorId(1)] != MEMBERS.votes[ValidatorId(1)].public
    last = world.nodes[5].disk.blocks[-1]
    assert last.certificate is not None
    assert last.block.header.era == 3


def test_a_change_that_comes_in_another_era_than_it_is_for_is_decided_all_the_same() -> None:
    errands = (Errand(item=b"~1", at=1.0), Errand(item=b"~2", at=1.0))
    shape = Shape(seed=3, family="mixed", size=4, faults=Faults(delay=0.01), errands=errands)
    world = run_shape(really(shape))
    decided = [item for held in world.nodes[0].disk.blocks for item in held.block.transactions]
    assert len(decided) == 2


def test_one_seed_in_five_is_such_a_run() -> None:
    real_ones = sum(draw(seed).is_real for seed in range(500))
    assert 70 < real_ones < 130


def test_a_store_that_does_not_sync_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = real.SimulatedStore.write

    def unsynced(self: real.SimulatedStore, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        write(self, batch, sync=sync and b"schema" in batch)

    monkeypatch.setattr(real.SimulatedStore, "write", unsynced)

    def hunt() -> None:
        for seed in range(100):
            run_shape(really(draw(seed)))

    with pytest.raises(Violation, match="durable"):
        hunt()


def test_state_other_than_the_header_names_is_found() -> None:
    durable: dict[bytes, bytes] = {}
    application = real.RealApplication(durable, MEMBERS.genesis)
    real.check_roots(application.kv, application.head)
    application.kv.write({b"state/more": b"than there is"}, sync=True)
    with pytest.raises(Violation, match="state"):
        real.check_roots(application.kv, application.head)


def test_a_log_without_an_entry_is_found() -> None:
    store = ChainStore(kv := real.SimulatedStore({}), MEMBERS.genesis)
    kv.write({b"entry/more": b"than there is"}, sync=True)
    with pytest.raises(Violation, match="log"):
        real.check_roots(kv, store.head.header)


def test_a_torn_group_of_the_vote_log_is_gone_and_what_was_synced_is_not() -> None:
    for seed in range(50):
        disk = real.RealDisk(genesis=MEMBERS.genesis)
        disk.unsynced = [b"first", b"second"]
        disk.sync()
        disk.unsynced = [b"third"]
        disk.crash(random.Random(seed), None)
        assert disk.records in ([b"first", b"second"], [b"first", b"second", b"third"])
        disk.unsynced = [b"fourth"]
        disk.sync()
        disk.crash(random.Random(seed), None)
        assert disk.records[-1] == b"fourth"
