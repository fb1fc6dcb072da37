"""A vote log that is not the whole one: an empty home with a used key, or an older copy. Own signatures give it away.

Nobody but the holder of the key can make such a vote, so finding one that the log does not hold proves that another
process, or an earlier disk, has signed it.
"""

import pytest

from consensus.messages import Blocks, Finality, Heard, Status
from consensus.records import CutRecord, VotesRecord, decode_record, encode_record
from ledger.certificates import CertifiedBlock
from ledger.evidence import SignedVote
from ledger.quantities import Era, Height, View
from ledger.votes import Vote, VoteKind
from tests.consensus.bench import Bench
from tests.consensus.forge import Forge

FORGE = Forge(window=2)
CHAIN = FORGE.chain(12)
BACKUPS = FORGE.backups(0)
ME, SECOND, THIRD = BACKUPS
OTHERS = tuple(who for who in range(4) if who != ME)
WITH_ME = tuple(sorted(BACKUPS))


def certified(number: int, signers: tuple[int, ...]) -> CertifiedBlock:
    return CertifiedBlock(block=CHAIN[number], certificate=FORGE.certificate(CHAIN[number].header, signers=signers))


def finality(number: int, signers: tuple[int, ...]) -> Finality:
    return Finality(certificate=FORGE.certificate(CHAIN[number].header, signers=signers))


def voter(length: int) -> Bench:
    """Return a backup that has voted for a chain."""
    bench = Bench(FORGE, ME)
    for block in CHAIN[:length]:
        bench.propose(block)
        bench.prepare_by(BACKUPS[1:], block)
        bench.commit_by(OTHERS, block)
    assert bench.height == length
    return bench


def fetch(bench: Bench, *, signers: tuple[int, ...], end: int = len(CHAIN)) -> None:
    """Catch up with blocks whose certificates these validators have signed."""
    bench.receive(SECOND, Status(era=Era(0), view=View(0), head=Height(end)))
    bench.tick(1.0)
    bench.receive(SECOND, Blocks(blocks=tuple(certified(number, signers) for number in range(bench.height, end))))
    assert bench.height == end


def commit_at(number: int, view: int = 0) -> Vote:
    return FORGE.vote(VoteKind.COMMIT, CHAIN[number].header, view)


def test_own_commits_in_fetched_blocks_show_that_an_empty_log_has_lost_them() -> None:
    bench = Bench(FORGE, ME)
    fetch(bench, signers=WITH_ME)
    assert bench.engine.forgotten == commit_at(0)


def test_who_was_never_there_finds_nothing_of_its_own() -> None:
    bench = Bench(FORGE, ME)
    fetch(bench, signers=OTHERS)
    assert bench.engine.forgotten is None


def test_an_older_copy_of_the_log_is_found_out_by_the_first_block_above_it() -> None:
    bench = voter(4)
    bench.restart()
    fetch(bench, signers=WITH_ME)
    assert bench.engine.forgotten == commit_at(4)


def test_an_older_copy_of_the_log_beside_the_newer_chain_is_found_out_by_the_head() -> None:
    bench = voter(4)
    old = list(bench.records)
    fetch(bench, signers=OTHERS, end=5)
    bench.chain[-1] = certified(4, WITH_ME)
    bench.restart(old)
    assert bench.engine.forgotten == commit_at(4)


@pytest.mark.parametrize("cut", [False, True])
def test_a_whole_log_knows_the_vote_in_the_heads_certificate_or_that_it_was_cut(*, cut: bool) -> None:
    bench = voter(4)
    bench.chain[-1] = certified(3, WITH_ME)
    if cut:
        bench.cut_log()
        assert not any(isinstance(decode_record(data), VotesRecord) for data in bench.records)
    bench.restart()
    assert bench.engine.forgotten is None


def test_a_cut_below_the_head_excuses_nothing() -> None:
    bench = voter(4)
    bench.chain[-1] = certified(3, WITH_ME)
    bench.restart([encode_record(CutRecord(era=Era(0), height=Height(3)))])
    assert bench.engine.forgotten == commit_at(3)


def test_a_certificate_alone_is_enough() -> None:
    bench = Bench(FORGE, ME)
    bench.receive(SECOND, finality(0, WITH_ME))
    assert bench.engine.forgotten == commit_at(0)


def test_a_prepare_in_somebodys_view_change_is_enough() -> None:
    bench = Bench(FORGE, ME)
    held = FORGE.prepared(CHAIN[0].header, 0, signers=(ME, SECOND))
    bench.receive(SECOND, FORGE.view_change(SECOND, 1, prepared=(held,)))
    assert bench.engine.forgotten == FORGE.vote(VoteKind.PREPARE, CHAIN[0].header)


def test_what_a_peer_has_heard_of_us_is_enough() -> None:
    bench = Bench(FORGE, ME)
    vote = FORGE.vote(VoteKind.PREPARE, CHAIN[0].header)
    bench.receive(SECOND, Heard(votes=(SignedVote(vote=vote, proof=FORGE.proof(ME, vote)),)))
    assert bench.engine.forgotten == vote


def test_another_vote_than_the_one_in_the_log_was_not_cast_here() -> None:
    bench = Bench(FORGE, ME)
    bench.propose(CHAIN[0])
    other = FORGE.vote(VoteKind.PREPARE, FORGE.block(FORGE.genesis, b"other").header)
    bench.receive(SECOND, Heard(votes=(SignedVote(vote=other, proof=FORGE.proof(ME, other)),)))
    assert bench.engine.forgotten == other


def test_own_votes_that_are_in_the_log_are_none_of_that_before_and_after_a_restart() -> None:
    bench = Bench(FORGE, ME)
    for block in CHAIN[:2]:
        bench.propose(block)
        bench.prepare_by(BACKUPS[1:], block)
    held = FORGE.prepared(CHAIN[0].header, 0, signers=(ME, SECOND))
    for _ in range(2):
        bench.receive(SECOND, FORGE.view_change(SECOND, 1, prepared=(held,)))
        bench.receive(SECOND, finality(1, WITH_ME))
        assert bench.engine.forgotten is None
        bench.restart()
    assert bench.height == 2


def test_a_chain_that_is_fetched_again_beside_its_whole_log_finds_nothing() -> None:
    bench = voter(12)
    bench.chain.clear()
    bench.restart()
    fetch(bench, signers=WITH_ME)
    assert bench.engine.forgotten is None
