"""Who signs a contradiction is found out, told of once, and nobody else is: a real engine among forged peers."""

import pytest
from msgspec.structs import replace

from consensus.errors import ProtocolViolation
from consensus.messages import Accusation, Blocks, FetchBlocks, Finality, Heard, Message, Status
from consensus.witness import CHANGES_MAX, HEIGHTS_BEHIND, OFFENCES_MAX, VOTES_MAX
from ledger.encoding import encode
from ledger.evidence import (
    Amnesia,
    DoubleNewView,
    DoubleViewChange,
    OffenceKind,
    SignedVote,
    double_vote,
    verify_evidence,
)
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteKind
from tests.consensus.bench import Bench
from tests.consensus.cluster import Cluster
from tests.consensus.forge import Forge

FORGE = Forge()
A, B, C = FORGE.chain(3)
OTHER = FORGE.block(FORGE.genesis, b"other")
PRIMARY = FORGE.primary(0)
KIND = OffenceKind


def found(bench: Bench) -> list[tuple[int, OffenceKind, int, int]]:
    """Return what a bench's engine has told everybody: offender, kind, view, height; each verifies."""
    offences = []
    for accusation in bench.of_kind(Accusation):
        members = bench.engine._replica.witness.members
        proven = verify_evidence(accusation.evidence, members, chain_id=bench.forge.context.chain_id)
        offence = proven.offence
        offences.append((int(offence.offender), offence.kind, int(offence.view), int(offence.height)))
    assert len(offences) == len(set(offences)) == bench.events.count("equivocation")
    assert [proven.offence for proven in bench.evidence] == [
        proven.offence for proven in bench.engine._replica.witness.offences()
    ]
    return offences


def signed(who: int, kind: VoteKind, header: object, view: int = 0) -> SignedVote:
    vote = FORGE.vote(kind, header, view)  # type: ignore[arg-type]
    return SignedVote(vote=vote, proof=FORGE.proof(who, vote))


def appended(bench: Bench, *blocks: object) -> None:
    for block in blocks:
        bench.receive(2, Status(era=Era(0), view=View(0), head=Height(bench.height + 1)))
        bench.receive(3, Status(era=Era(0), view=View(0), head=Height(bench.height + 1)))
        bench.tick(1.0)
        asked = [send.to for send in bench.sent if isinstance(send.message, FetchBlocks)][-1]
        assert asked is not None
        bench.receive(asked, Blocks(blocks=(FORGE.certified(block),)))  # type: ignore[arg-type]


def test_two_proposals_convict_the_primary_and_are_told_once() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(1, FORGE.pre_prepare(A.header), FORGE.pre_prepare(OTHER.header))
    bench.receive(1, FORGE.pre_prepare(OTHER.header))
    assert found(bench) == [(1, KIND.PROPOSAL, 0, 1)]


def test_two_votes_of_one_bundle_convict() -> None:
    bench = Bench(FORGE, 0)
    votes = (FORGE.vote(VoteKind.PREPARE, A.header), FORGE.vote(VoteKind.PREPARE, OTHER.header))
    bench.receive(2, FORGE.votes(2, *votes))
    assert found(bench) == [(2, KIND.PROPOSAL, 0, 1)]


def test_a_commit_for_another_block_than_was_prepared_convicts() -> None:
    for first, second in ((FORGE.prepare, FORGE.commit), (FORGE.commit, FORGE.prepare)):
        bench = Bench(FORGE, 0)
        bench.receive(2, first(2, A.header), second(2, OTHER.header))
        assert found(bench) == [(2, KIND.PHASES, 0, 1)]


def test_a_late_second_vote_convicts_below_the_head_too() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, FORGE.commit(2, OTHER.header))
    appended(bench, A, B)
    assert bench.height == 2
    bench.receive(2, FORGE.commit(2, A.header, view=0))
    assert found(bench) == [(2, KIND.COMMIT, 0, 1)]


def test_the_certificate_of_a_fetched_block_is_compared_with_what_was_heard() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, FORGE.commit(2, OTHER.header))
    appended(bench, A)
    assert found(bench) == [(2, KIND.COMMIT, 0, 1)]


def test_a_certificate_for_another_block_than_was_appended_convicts_those_in_both() -> None:
    bench = Bench(FORGE, 0)
    appended(bench, A)
    bench.receive(3, Finality(certificate=FORGE.certificate(OTHER.header, signers=(1, 2, 3))))
    assert {offender for offender, *_ in found(bench)} == {1, 2}


def test_a_needless_certificate_that_contradicts_nothing_costs_nothing() -> None:
    bench = Bench(FORGE, 0)
    appended(bench, A)
    worthless = replace(FORGE.certificate(A.header), commits=())
    assert not bench.receive(3, Finality(certificate=worthless))
    assert not found(bench)


def test_a_forged_certificate_convicts_nobody() -> None:
    bench = Bench(FORGE, 0)
    appended(bench, A)
    certificate = FORGE.certificate(OTHER.header)
    forged = replace(certificate, commits=FORGE.certificate(A.header).commits)
    with pytest.raises(ProtocolViolation):
        bench.receive(3, Finality(certificate=forged))
    assert not found(bench)


def test_prepared_certificates_of_a_view_change_are_compared_with_what_was_heard() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, FORGE.prepare(2, OTHER.header))
    prepared = FORGE.prepared(A.header, signers=(2, 3))
    bench.receive(3, FORGE.view_change(3, 1, prepared=[prepared]))
    assert (2, KIND.PROPOSAL, 0, 1) in found(bench)


@pytest.mark.parametrize("late", [False, True])
def test_two_view_changes_convict_even_if_they_come_too_late(*, late: bool) -> None:
    bench = Bench(FORGE, 0)
    first, second = FORGE.view_change(2, 1), FORGE.view_change(2, 1, prepared=[FORGE.prepared(A.header)])
    bench.receive(2, first)
    if late:
        changes = FORGE.view_changes(2)
        bench.receive(3, *changes, FORGE.new_view(changes))
        assert bench.engine.view == 2
    bench.receive(2, second, first, second)
    assert found(bench) == [(2, KIND.VIEW_CHANGE, 1, 0)]
    (accusation,) = bench.of_kind(Accusation)
    assert isinstance(accusation.evidence, DoubleViewChange)


def test_two_new_views_convict() -> None:
    bench = Bench(FORGE, 0)
    changes = FORGE.view_changes(1)
    other = [FORGE.view_change(who, 1) for who in (0, 1, 2)]
    bench.receive(2, FORGE.new_view(changes), FORGE.new_view(other), FORGE.new_view(changes))
    assert found(bench) == [(2, KIND.NEW_VIEW, 1, 0)]
    assert isinstance(bench.of_kind(Accusation)[0].evidence, DoubleNewView)


@pytest.mark.parametrize("commit_first", [True, False])
def test_a_view_change_that_hides_a_commit_convicts(*, commit_first: bool) -> None:
    bench = Bench(FORGE, 0)
    commit, hiding = FORGE.commit(2, A.header), FORGE.view_change(2, 1)
    bench.receive(2, *((commit, hiding) if commit_first else (hiding, commit)))
    assert found(bench) == [(2, KIND.AMNESIA, 1, 1)]
    assert isinstance(bench.of_kind(Accusation)[0].evidence, Amnesia)


def test_a_view_change_that_shows_it_does_not() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, FORGE.commit(2, A.header), FORGE.view_change(2, 1, prepared=[FORGE.prepared(A.header)]))
    assert not found(bench)


def test_votes_long_before_a_view_change_still_count_against_it() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, FORGE.commit(2, A.header))
    for view in range(1, 12):
        bench.receive(3, FORGE.view_change(3, view, prepared=[]))
    bench.receive(2, FORGE.view_change(2, 11))
    assert found(bench) == [(2, KIND.AMNESIA, 11, 1)]


def test_who_prepared_another_block_is_sent_what_was_heard_once() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.receive(2, FORGE.prepare(2, OTHER.header), FORGE.prepare(2, OTHER.header))
    told = [send for send in bench.sent if isinstance(send.message, Heard)]
    assert [send.to for send in told] == [2]
    votes = [signed.vote.digest for signed in told[0].message.votes if signed.proof.validator == PRIMARY]  # type: ignore[union-attr]
    assert votes == [A.digest]
    assert not found(bench)


def test_so_is_who_had_done_so_before_the_primarys_proposal_came() -> None:
    bench = Bench(FORGE, 0)
    bench.receive(2, FORGE.prepare(2, OTHER.header))
    bench.propose(A)
    assert [send.to for send in bench.sent if isinstance(send.message, Heard)] == [2]


def test_testimony_convicts_a_primary_that_told_two_stories() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.receive(2, Heard(votes=(signed(1, VoteKind.PRE_PREPARE, OTHER.header),)))
    assert found(bench) == [(1, KIND.PROPOSAL, 0, 1)]
    opened = [send for send in bench.sent if isinstance(send.message, Heard) and send.to is None]
    assert len(opened) == 1


def test_forged_testimony_is_refused() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    vote = FORGE.vote(VoteKind.PRE_PREPARE, OTHER.header)
    forged = SignedVote(vote=vote, proof=replace(FORGE.proof(2, vote), validator=PRIMARY))
    with pytest.raises(ProtocolViolation):
        bench.receive(2, Heard(votes=(forged,)))
    assert not found(bench)


def test_a_peers_evidence_is_passed_on_once() -> None:
    bench = Bench(FORGE, 0)
    evidence = double_vote(*(signed(2, VoteKind.COMMIT, block.header) for block in (A, OTHER)))
    assert bench.receive(3, Accusation(evidence=evidence)).count(Accusation(evidence=evidence)) == 1
    again = double_vote(*(signed(2, VoteKind.COMMIT, block.header) for block in (OTHER, A)))
    assert not bench.receive(1, Accusation(evidence=again))
    assert found(bench) == [(2, KIND.COMMIT, 0, 1)]


@pytest.mark.parametrize("case", ["innocent", "forged"])
def test_what_proves_nothing_is_refused(case: str) -> None:
    bench = Bench(FORGE, 0)
    first, second = (signed(2, VoteKind.COMMIT, block.header) for block in (A, OTHER))
    if case == "innocent":
        second = replace(second, vote=replace(second.vote, height=Height(2)))
    else:
        second = replace(second, proof=first.proof)
    with pytest.raises(ProtocolViolation):
        bench.receive(3, Accusation(evidence=double_vote(first, second)))
    assert not found(bench)


def test_evidence_of_another_era_is_left_to_that_era() -> None:
    bench = Bench(FORGE, 0)
    votes = [replace(FORGE.vote(VoteKind.COMMIT, block.header), era=Era(1)) for block in (A, OTHER)]
    evidence = double_vote(*(SignedVote(vote=vote, proof=FORGE.proof(2, vote)) for vote in votes))
    assert not bench.receive(3, Accusation(evidence=evidence))
    assert not found(bench)


def test_one_offender_cannot_fill_the_room_of_others() -> None:
    bench = Bench(FORGE, 0)
    for view in range(OFFENCES_MAX + 4):
        bench.receive(2, FORGE.commit(2, A.header, view), FORGE.commit(2, OTHER.header, view))
    bench.receive(3, FORGE.commit(3, A.header), FORGE.commit(3, OTHER.header))
    offenders = [offender for offender, *_ in found(bench)]
    assert (offenders.count(2), offenders.count(3)) == (OFFENCES_MAX, 1)


def test_what_is_remembered_is_bounded() -> None:
    bench = Bench(FORGE, 0)
    witness = bench.engine._replica.witness
    for view in range(1, 4 * VOTES_MAX):
        vote = Vote(kind=VoteKind.COMMIT, era=Era(0), view=View(view), height=Height(1), digest=A.digest)
        witness.on_vote(vote, FORGE.proof(2, vote), primary=PRIMARY)
        witness.on_view_change(FORGE.view_change(2, view + 1, prepared=[FORGE.prepared(A.header, view)]).signed)
    assert len(witness._votes[Height(1)][ValidatorId(2)]) == VOTES_MAX
    assert len(witness._view_changes[ValidatorId(2)]) == CHANGES_MAX
    witness.prune(Height(1 + HEIGHTS_BEHIND))
    assert not witness._votes


def test_votes_too_far_ahead_or_of_other_eras_are_not_remembered() -> None:
    bench = Bench(FORGE, 0)
    for changes in ({"height": Height(4)}, {"view": View(9)}, {"era": Era(1)}):
        vote = replace(FORGE.vote(VoteKind.COMMIT, A.header), **changes)
        bench.receive(2, FORGE.votes(2, vote))
    assert not list(bench.engine._replica.witness._votes)


def test_what_was_prepared_is_remembered_after_a_restart() -> None:
    bench = Bench(FORGE, 0)
    bench.propose(A)
    bench.prepare_by([2, 3], A)
    bench.restart()
    bench.receive(2, FORGE.prepare(2, OTHER.header))
    bench.receive(1, FORGE.pre_prepare(OTHER.header))
    assert {offender for offender, *_ in found(bench)} == {1, 2}


def test_disjoint_audiences_meet_and_everybody_learns() -> None:
    """The primary and a helper tell two halves of five honest ones two stories, and nobody hears both."""
    size = 7
    cluster = Cluster(size)
    forge = cluster.forge
    primary, helper = forge.primary(0), ValidatorId(2)
    cluster.down |= {primary, helper}
    left, right = (forge.block(forge.genesis, name) for name in (b"left", b"right"))
    for who in forge.ids:
        if who not in cluster.down:
            block = left if who % 2 else right
            bench = cluster.benches[who]
            story: list[Message] = [forge.pre_prepare(block.header), forge.prepare(helper, block.header)]
            cluster.step(who, lambda bench: bench.propose(block))  # noqa: B023 - used at once
            for message in story:
                cluster.step(who, lambda bench, said=message: bench.receive(helper, said))  # type: ignore[misc]
            assert not bench.of_kind(Accusation)
    cluster.settle()
    for bench in cluster.up:
        assert {offender for offender, *_ in found(bench)} == {primary, helper}


def test_evidence_on_the_wire_is_small() -> None:
    evidence = double_vote(*(signed(2, VoteKind.COMMIT, block.header) for block in (A, OTHER)))
    assert len(encode(Accusation(evidence=evidence))) < 300
