"""An honest replica always finds its own signatures in its vote log; only who shares its key meets others."""

import pytest

from consensus import accountability, restoring
from consensus.records import Record
from consensus.replica import Replica
from ledger.quantities import ValidatorId
from ledger.votes import Vote, VoteProof
from tests.simulation.runs import run_seed

SEEDS = range(7_000, 7_050)
"""Every family, several times: crashes at any write, cut logs, twins, eras."""


def test_no_honest_replica_misses_a_vote_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: set[ValidatorId] = set()
    recognise, look = accountability.recognise, restoring._look_for_forgotten

    def recognised(replica: Replica, vote: Vote, proof: VoteProof) -> None:
        recognise(replica, vote, proof)
        if replica.forgotten is not None:
            missing.add(replica.id)

    def looked(replica: Replica, records: list[Record]) -> None:
        look(replica, records)
        if replica.forgotten is not None:
            missing.add(replica.id)

    monkeypatch.setattr(accountability, "recognise", recognised)
    monkeypatch.setattr(restoring, "_look_for_forgotten", looked)
    met = 0
    for seed in SEEDS:
        missing.clear()
        world = run_seed(seed)
        dishonest = {node.id for node in world.nodes if not node.honest}
        assert missing <= dishonest, f"seed {seed}"
        met += len(missing)
    assert met, "no twin has met a vote of its own other: nothing was looked at"
