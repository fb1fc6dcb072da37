"""A chain that was taken away and is fetched again, beside a vote log that remembers it.

That is what an operator does whose database is damaged. Until the replica has again what its log shows it to have had,
its word would be that of one that has forgotten: it might vote twice, and its VIEW-CHANGE would leave out what it
committed to, which convicts an honest validator.
"""

import pytest

from consensus.errors import Unsafe
from consensus.messages import Blocks, Status, ViewChange, Votes
from consensus.records import CutRecord, encode_record, records_since
from consensus.safety_rules import SafetyRules
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import VoteKind
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge()
CHAIN = FORGE.chain(70)
LENGTH = len(CHAIN)
BACKUPS = FORGE.backups(0)
ME = BACKUPS[0]
OTHERS = [who for who in range(4) if who != ME]


def voter(length: int = LENGTH, *, cut: bool = False) -> Bench:
    """Return a backup that has voted for a chain."""
    bench = Bench(FORGE, ME)
    for block in CHAIN[:length]:
        bench.propose(block)
        bench.prepare_by(BACKUPS[1:], block)
        bench.commit_by(OTHERS, block)
        if cut:
            bench.cut_log()
    assert bench.height == length
    return bench


def emptied(bench: Bench) -> Bench:
    """Start again without the chain."""
    bench.chain.clear()
    bench.sent.clear()
    bench.restart()
    return bench


def fetched(bench: Bench, end: int) -> None:
    """Let a peer answer whatever is asked for, up to a height."""
    bench.receive(OTHERS[0], Status(era=Era(0), view=View(0), head=Height(LENGTH)))
    while bench.height < end:
        part = CHAIN[bench.height : min(bench.height + 32, end)]
        bench.receive(OTHERS[0], Blocks(blocks=tuple(FORGE.certified(block) for block in part)))
        bench.tick(1.0)


@pytest.mark.parametrize("cut", [False, True])
def test_it_says_nothing_before_it_has_again_what_it_had(*, cut: bool) -> None:
    bench = emptied(voter(cut=cut))
    other = FORGE.chain(1, name="other")[0]
    bench.submit(b"pending")
    bench.propose(other)
    bench.prepare_by(BACKUPS[1:], other)
    bench.tick(60.0)
    for who in OTHERS[:2]:
        bench.receive(who, FORGE.view_change(who, 1))
    fetched(bench, LENGTH - 2)
    bench.tick(60.0)
    assert bench.of_kind(ViewChange) == []
    assert not [vote for message in bench.of_kind(Votes) for vote in message.bundle.votes if vote.height < LENGTH]


@pytest.mark.parametrize("cut", [False, True])
def test_then_it_goes_on(*, cut: bool) -> None:
    bench = emptied(voter(cut=cut))
    fetched(bench, LENGTH)
    bench.sent.clear()
    block = FORGE.block(CHAIN[-1].header, b"next")
    bench.propose(block)
    assert [vote.height for vote in bench.votes(VoteKind.PREPARE)] == [LENGTH + 1]


def test_its_records_can_be_read_back() -> None:
    bench = emptied(voter())
    bench.submit(b"pending")
    bench.tick(60.0)
    bench.restart()


def test_a_log_of_a_later_era_forbids_every_vote() -> None:
    bench = Bench(FORGE, ME)
    bench.restart([encode_record(CutRecord(era=Era(1), height=Height(0)))])
    bench.propose(CHAIN[0])
    bench.submit(b"pending")
    bench.tick(60.0)
    assert bench.of_kind(Votes) == []
    assert bench.of_kind(ViewChange) == []


def test_what_was_cut_is_known_in_the_next_era_too() -> None:
    records = [encode_record(CutRecord(era=Era(0), height=Height(7)))]
    assert records_since(records, Era(1), root=Height(7)) == records
    assert records_since(voter(3).records, Era(1), root=Height(3)) == [
        encode_record(CutRecord(era=Era(0), height=Height(3)))
    ]


def test_the_rules_refuse_by_themselves() -> None:
    safety = SafetyRules(
        context=FORGE.context, validator=ValidatorId(ME), key=FORGE.key(ME), head=FORGE.context.root, certificate=None
    )
    safety.restore([CutRecord(era=Era(0), height=Height(1))])
    with pytest.raises(Unsafe, match="S12 "):
        safety.prepare(CHAIN[0].header)
    with pytest.raises(Unsafe, match="S12 "):
        safety.give_up(View(1))
