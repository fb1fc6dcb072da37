"""Evidence convicts whoever has signed a contradiction, and nobody else: each rule with its near misses."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.encoding import decode, encode
from ledger.errors import InvalidEvidence
from ledger.evidence import (
    Amnesia,
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    Evidence,
    Offence,
    OffenceKind,
    SignedVote,
    claimed_offence,
    double_new_view,
    double_view_change,
    double_vote,
    era_of,
    verify_evidence,
)
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.quantities import U63_MAX, Era, Height, ValidatorId, View
from ledger.statements import WINDOW_MAX
from ledger.transactions import ReportEquivocation
from ledger.votes import BUNDLE_VOTES_MAX, Vote, VoteKind
from tests.ledger.contradictions import MEMBERS, Signatory
from tests.ledger.helpers import CHAIN, OTHER_CHAIN, digest, validator_set, vote_key
from tests.ledger.strategies import trying

LIAR = Signatory()
PREPARE, COMMIT, PRE_PREPARE = VoteKind.PREPARE, VoteKind.COMMIT, VoteKind.PRE_PREPARE


def offence(kind: OffenceKind, *, view: int = 2, height: int = 7) -> Offence:
    return Offence(offender=LIAR.who, kind=kind, era=Era(0), view=View(view), height=Height(height))


CASES: dict[str, tuple[Evidence, Offence]] = {
    "two commits": (double_vote(LIAR.vote("a"), LIAR.vote("b")), offence(OffenceKind.COMMIT)),
    "two prepares": (double_vote(LIAR.vote("a", PREPARE), LIAR.vote("b", PREPARE)), offence(OffenceKind.PROPOSAL)),
    "pre-prepare and prepare": (
        double_vote(LIAR.vote("a", PREPARE), LIAR.vote("b", PRE_PREPARE)),
        offence(OffenceKind.PROPOSAL),
    ),
    "commit of another block": (
        double_vote(LIAR.vote("a", COMMIT), LIAR.vote("b", PREPARE)),
        offence(OffenceKind.PHASES),
    ),
    "one bundle": (
        double_vote(*LIAR.bundle(LIAR.vote("a").vote, LIAR.vote("b").vote)),
        offence(OffenceKind.COMMIT),
    ),
    "two view changes": (
        double_view_change(LIAR.view_change("a"), LIAR.view_change("b")),
        offence(OffenceKind.VIEW_CHANGE, view=3, height=0),
    ),
    "two new views": (
        double_new_view(LIAR.new_view("a"), LIAR.new_view("b")),
        offence(OffenceKind.NEW_VIEW, view=3, height=0),
    ),
    "nothing prepared": (
        Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change()),
        offence(OffenceKind.AMNESIA, view=3),
    ),
    "prepared in an earlier view": (
        Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change("", (7, 1, "a"))),
        offence(OffenceKind.AMNESIA, view=3),
    ),
    "another block prepared in that view": (
        Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change("", (7, 2, "b"))),
        offence(OffenceKind.AMNESIA, view=3),
    ),
    "a gap below": (
        Amnesia(commit=LIAR.vote("a", height=8), view_change=LIAR.view_change("", (8, 2, "a"))),
        offence(OffenceKind.AMNESIA, view=3, height=8),
    ),
    "an empty era": (
        Amnesia(commit=LIAR.vote("a", height=1), view_change=LIAR.view_change(head=None)),
        offence(OffenceKind.AMNESIA, view=3, height=1),
    ),
    "a height beyond all others": (
        Amnesia(commit=LIAR.vote("a", height=U63_MAX), view_change=LIAR.view_change()),
        offence(OffenceKind.AMNESIA, view=3, height=U63_MAX),
    ),
}


@pytest.mark.parametrize(("evidence", "proven"), CASES.values(), ids=CASES.keys())
def test_a_contradiction_convicts_its_signer(evidence: Evidence, proven: Offence) -> None:
    found = verify_evidence(evidence, MEMBERS, chain_id=CHAIN)
    assert (found.offence, found.evidence) == (proven, evidence)
    assert era_of(evidence) == proven.era


@pytest.mark.parametrize(("evidence", "proven"), CASES.values(), ids=CASES.keys())
def test_evidence_is_good_for_its_chain_era_and_signer_alone(evidence: Evidence, proven: Offence) -> None:
    assert claimed_offence(evidence, first_height=MEMBERS.first_height) == proven
    for members, chain in (
        (dataclasses.replace(MEMBERS, era=Era(1)), CHAIN),
        (dataclasses.replace(MEMBERS, validators=validator_set(era=1)), CHAIN),
        (MEMBERS, OTHER_CHAIN),
    ):
        with pytest.raises(InvalidEvidence):
            verify_evidence(evidence, members, chain_id=chain)


OTHER = Signatory(2)
INNOCENT: dict[str, Evidence] = {
    "one vote twice": DoubleVote(first=LIAR.vote("a"), second=LIAR.vote("a")),
    "prepare and commit": DoubleVote(first=LIAR.vote("a", PREPARE), second=LIAR.vote("a", COMMIT)),
    "two heights": double_vote(LIAR.vote("a", height=7), LIAR.vote("b", height=8)),
    "two views": double_vote(LIAR.vote("a", view=1), LIAR.vote("b", view=2)),
    "two eras": double_vote(LIAR.vote("a", era=0), LIAR.vote("b", era=1)),
    "two signers": double_vote(LIAR.vote("a"), OTHER.vote("b")),
    "one view change twice": DoubleViewChange(first=LIAR.view_change(), second=LIAR.view_change()),
    "view changes of two views": double_view_change(LIAR.view_change("a"), LIAR.view_change("b", view=4)),
    "view changes of two signers": double_view_change(LIAR.view_change("a"), OTHER.view_change("b")),
    "view changes of two eras": double_view_change(LIAR.view_change("a"), LIAR.view_change("b", era=1)),
    "one new view twice": DoubleNewView(first=LIAR.new_view(), second=LIAR.new_view()),
    "new views of two views": double_new_view(LIAR.new_view("a"), LIAR.new_view("b", view=4)),
    "shown": Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change("", (7, 2, "a"))),
    "shown by a later view": Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change("", (7, 3, "b"), view=4)),
    "at its certificate": Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change(head=7)),
    "below its certificate": Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change(head=9)),
    "committed later": Amnesia(commit=LIAR.vote("a", view=3), view_change=LIAR.view_change()),
    "only prepared": Amnesia(commit=LIAR.vote("a", PREPARE), view_change=LIAR.view_change()),
    "of another": Amnesia(commit=OTHER.vote("a"), view_change=LIAR.view_change()),
    "of another era": Amnesia(commit=LIAR.vote("a", era=1), view_change=LIAR.view_change()),
}


@pytest.mark.parametrize("evidence", INNOCENT.values(), ids=INNOCENT.keys())
def test_what_an_honest_validator_may_sign_convicts_nobody(evidence: Evidence) -> None:
    with pytest.raises(InvalidEvidence):
        verify_evidence(evidence, MEMBERS, chain_id=CHAIN)


def test_a_view_change_without_a_certificate_speaks_for_its_own_era_alone() -> None:
    late = dataclasses.replace(MEMBERS, first_height=Height(7))
    shown = Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change("", (7, 2, "a"), head=None))
    with pytest.raises(InvalidEvidence):
        verify_evidence(shown, late, chain_id=CHAIN)
    hidden = Amnesia(commit=LIAR.vote("a"), view_change=LIAR.view_change(head=None))
    assert verify_evidence(hidden, late, chain_id=CHAIN).offence.height == 7


@pytest.mark.parametrize("name", ["two commits", "two view changes", "two new views"])
def test_there_is_one_order_of_the_two(name: str) -> None:
    evidence = CASES[name][0]
    assert not isinstance(evidence, Amnesia)
    with pytest.raises(InvalidEvidence, match="order"):
        claimed_offence(replace(evidence, first=evidence.second, second=evidence.first), first_height=Height(1))


def test_any_two_of_many_contradictions_are_one_offence() -> None:
    votes = [LIAR.vote(name) for name in "abc"]
    pairs = [double_vote(one, other) for one in votes for other in votes if one != other]
    assert {claimed_offence(pair, first_height=Height(1)) for pair in pairs} == {offence(OffenceKind.COMMIT)}


@pytest.mark.parametrize(("evidence", "proven"), CASES.values(), ids=CASES.keys())
@trying(10)
@given(data=st.data())
def test_who_lacks_the_key_cannot_sign_either_side(evidence: Evidence, proven: Offence, data: st.DataObject) -> None:
    forger = Signatory(key=vote_key(data.draw(st.sampled_from([0, 2, 3]))))
    match evidence:
        case DoubleVote():
            forged = forger.bundle(evidence.second.vote)[0]
            shown: Evidence = replace(evidence, second=forged)
        case DoubleViewChange():
            shown = replace(evidence, first=replace(evidence.first, signature=evidence.second.signature))
        case DoubleNewView():
            shown = replace(evidence, second=replace(evidence.second, signature=evidence.first.signature))
        case _:
            shown = replace(evidence, commit=forger.bundle(evidence.commit.vote)[0])
    assert claimed_offence(shown, first_height=Height(1)) == proven
    with pytest.raises(InvalidEvidence, match="against validator 1"):
        verify_evidence(shown, MEMBERS, chain_id=CHAIN)


@trying(40)
@given(st.data())
def test_no_place_in_a_bundle_passes_for_another_vote(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, BUNDLE_VOTES_MAX))
    votes = [
        Vote(kind=COMMIT, era=Era(0), view=View(2), height=Height(number), digest=digest(f"block {number}"))
        for number in range(count)
    ]
    honest = LIAR.bundle(*votes)
    shown, other = data.draw(st.tuples(st.sampled_from(honest), st.sampled_from(honest)))
    digests = st.sampled_from([digest("another"), *shown.proof.path, *other.proof.path, other.vote.digest])
    forged = replace(
        other.proof,
        index=data.draw(st.integers(0, BUNDLE_VOTES_MAX - 1)),
        size=data.draw(st.integers(1, BUNDLE_VOTES_MAX)),
        path=tuple(data.draw(st.lists(digests, max_size=6))) if data.draw(st.booleans()) else other.proof.path,
    )
    second = SignedVote(vote=replace(shown.vote, digest=data.draw(digests)), proof=forged)
    if second.vote != shown.vote:
        with pytest.raises(InvalidEvidence):
            verify_evidence(double_vote(shown, second), MEMBERS, chain_id=CHAIN)


def test_the_largest_evidence_is_a_small_transaction() -> None:
    """Two VIEW-CHANGEs with a full window and the longest numbers: 7,070 bytes; two votes of full bundles: 648."""
    liar = Signatory(U63_MAX, key=vote_key(1))
    claims = [(U63_MAX - number, U63_MAX, "a") for number in range(WINDOW_MAX)]
    last = {"view": U63_MAX, "era": U63_MAX, "head": U63_MAX - 1}
    largest = double_view_change(
        liar.view_change("a", *claims, **last),
        liar.view_change("b", *claims, **last),
    )
    size = len(encode(ReportEquivocation(evidence=largest)))
    assert size == 7_070
    assert size * 8 < TRANSACTION_BYTES_MAX
    assert decode(encode(largest), DoubleViewChange) == largest
    assert ValidatorId(U63_MAX) == largest.first.statement.validator
