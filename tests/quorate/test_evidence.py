"""`quorate evidence`: who is on record for having contradicted itself, read from an export."""

from pathlib import Path

import pytest

from ledger.evidence import double_vote
from ledger.quantities import ValidatorId
from ledger.transactions import ReportEquivocation
from tests.ledger.contradictions import Signatory
from tests.quorate.commands import Commands
from tests.quorate.trained import TrainedChain


@pytest.fixture(scope="module")
def guilty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the export of a short chain on which validator 2 is convicted of two commits."""
    chain = TrainedChain()
    liar = Signatory(2, key=chain.members.votes[ValidatorId(2)], chain_id=chain.chain_id)
    evidence = double_vote(liar.vote("a", height=3, view=0), liar.vote("b", height=3, view=0))
    chain.accepted(chain.members.services[ValidatorId(1)], ReportEquivocation(evidence=evidence))
    return chain.export(tmp_path_factory.mktemp("guilty") / "chain")


def test_an_offence_is_listed_with_its_transaction(commands: Commands, guilty: Path) -> None:
    (found,) = commands.data("evidence", "--from", guilty)
    assert found["offence"] == {"offender": 2, "kind": "commit", "era": 0, "view": 0, "height": 3}
    assert found["reporter"] == 1
    shown = commands("evidence", "--from", guilty).out
    assert "committed two blocks" in shown
    assert found["transaction"] in shown
    block = commands("block", found["recorded"], "--from", guilty).out
    assert "report equivocation: two votes for different blocks" in block


def test_a_chain_without_offences_says_so(commands: Commands, exported: Path) -> None:
    assert commands.data("evidence", "--from", exported) == []
    assert "No validator is on record" in commands("evidence", "--from", exported).out
