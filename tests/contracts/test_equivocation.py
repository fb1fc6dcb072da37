"""E1 to E9: each rule fires with its integers, its near miss is accepted; and no flood of evidence stops a chain."""

import pytest
from msgspec.structs import replace

from contracts import queries
from ledger.entries import Accepted
from ledger.evidence import Amnesia, DoubleVote, Evidence, Offence, OffenceKind, double_new_view, double_vote
from ledger.membership import RemoveValidator
from ledger.parameters import ChainParameters
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.records import OffenceRecord
from ledger.state import MemoryState
from ledger.transactions import ReportEquivocation, decode_transaction
from tests.contracts.driver import Chain, refused, verdicts
from tests.contracts.test_membership import body, with_validator
from tests.ledger.contradictions import Signatory

OFFENDER = 2
REPORTER = ValidatorId(1)


def signatory(chain: Chain, who: int = OFFENDER) -> Signatory:
    return Signatory(who, key=chain.members.votes[ValidatorId(who % 4)], chain_id=chain.chain_id)


def two_commits(chain: Chain, *, height: int = 3, view: int = 0, who: int = OFFENDER, era: int = 0) -> DoubleVote:
    liar = signatory(chain, who)
    return double_vote(
        liar.vote("a", height=height, view=view, era=era), liar.vote("b", height=height, view=view, era=era)
    )


def report(chain: Chain, evidence: Evidence, reporter: ValidatorId = REPORTER) -> bytes:
    return chain.sign(chain.members.services[reporter], ReportEquivocation(evidence=evidence))


def verdict(chain: Chain, evidence: Evidence) -> object:
    (found,) = verdicts(chain.block(report(chain, evidence)))
    return found


def offence(kind: OffenceKind = OffenceKind.COMMIT, *, view: int = 0, height: int = 3) -> Offence:
    return Offence(offender=ValidatorId(OFFENDER), kind=kind, era=Era(0), view=View(view), height=Height(height))


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_an_offence_is_recorded_with_who_reported_it(chain: Chain) -> None:
    raw = report(chain, two_commits(chain))
    assert verdicts(chain.block(raw)) == [Accepted()]
    record = OffenceRecord(
        offence=offence(),
        reporter=REPORTER,
        recorded=Height(1),
        transaction=decode_transaction(raw).transaction.id,
    )
    assert queries.offence(chain.state, offence()) == record
    assert list(queries.offences(chain.state)) == [record]


def test_nothing_else_happens_to_the_offender(chain: Chain) -> None:
    before = queries.validators(chain.state).digest
    assert verdict(chain, two_commits(chain)) == Accepted()
    assert queries.validators(chain.state).digest == before


def test_offences_are_listed_by_offender(chain: Chain) -> None:
    for who, height in ((3, 9), (2, 300), (2, 8)):
        assert verdict(chain, two_commits(chain, who=who, height=height)) == Accepted()
    listed = [(one.offence.offender, one.offence.height) for one in queries.offences(chain.state)]
    assert listed == [(2, 8), (2, 300), (3, 9)]


def test_every_kind_is_recorded(chain: Chain) -> None:
    liar = signatory(chain)
    hidden = Amnesia(commit=liar.vote("a", height=3, view=0), view_change=liar.view_change(head=None))
    assert verdict(chain, hidden) == Accepted()
    assert verdict(chain, double_new_view(liar.new_view("a"), liar.new_view("b"))) == Accepted()
    kinds = [record.offence.kind for record in queries.offences(chain.state)]
    assert kinds == [OffenceKind.NEW_VIEW, OffenceKind.AMNESIA]


def test_e1_only_validators_report(chain: Chain) -> None:
    body = ReportEquivocation(evidence=two_commits(chain))
    assert chain.verdict(chain.operator, body) == refused("E1")
    assert chain.verdict(chain.members.services[ValidatorId(OFFENDER)], body) == Accepted()  # even the offender may


def test_e2_a_block_records_no_more_than_its_share() -> None:
    chain = Chain(parameters=ChainParameters(block_evidence_max=2))
    raws = [report(chain, two_commits(chain, height=height)) for height in (3, 4, 5)]
    assert verdicts(chain.block(*raws)) == [Accepted(), Accepted(), refused("E2", 2)]
    assert verdict(chain, two_commits(chain, height=5)) == Accepted()


def test_e2_refused_evidence_takes_no_share() -> None:
    chain = Chain(parameters=ChainParameters(block_evidence_max=1))
    raws = [report(chain, two_commits(chain, era=1)), report(chain, two_commits(chain))]
    assert verdicts(chain.block(*raws)) == [refused("E3", 1), Accepted()]


def test_e3_the_era_is_one_of_the_chains(chain: Chain) -> None:
    assert verdict(chain, two_commits(chain, era=1)) == refused("E3", 1)


def test_e4_the_offender_was_a_member(chain: Chain) -> None:
    assert verdict(chain, two_commits(chain, who=4)) == refused("E4", 4, 0)


def test_e5_the_two_contradict_each_other(chain: Chain) -> None:
    one = signatory(chain).vote("a", height=3)
    assert verdict(chain, DoubleVote(first=one, second=one)) == refused("E5")


def test_e6_evidence_expires_by_heights() -> None:
    chain = Chain(parameters=ChainParameters(evidence_heights_max=2))
    early, later = (two_commits(chain, height=1, view=view) for view in (0, 1))
    chain.block()
    chain.block()
    assert chain.height == 2
    assert verdict(chain, early) == Accepted()
    assert chain.height == 3
    assert verdict(chain, later) == refused("E6", 1, 3)


def test_e6_what_names_no_height_expires_only_with_its_era() -> None:
    chain = Chain(parameters=ChainParameters(evidence_heights_max=0))
    chain.block()
    liar = signatory(chain)
    assert verdict(chain, double_new_view(liar.new_view("a"), liar.new_view("b"))) == Accepted()


def test_e7_an_offence_is_recorded_once(chain: Chain) -> None:
    liar = signatory(chain)
    assert verdict(chain, two_commits(chain)) == Accepted()
    again = double_vote(liar.vote("b", height=3, view=0), liar.vote("c", height=3, view=0))
    assert verdict(chain, again) == refused("E7", 1)
    assert verdict(chain, two_commits(chain, view=1)) == Accepted()


def test_e7_within_one_block_too(chain: Chain) -> None:
    raws = [report(chain, two_commits(chain), ValidatorId(reporter)) for reporter in range(4)]
    assert verdicts(chain.block(*raws)) == [Accepted(), *[refused("E7", 1)] * 3]


def test_e8_who_contradicts_itself_without_end_fills_no_state() -> None:
    chain = Chain(parameters=ChainParameters(offender_evidence_max=2))
    for height in (3, 4):
        assert verdict(chain, two_commits(chain, height=height)) == Accepted()
    assert verdict(chain, two_commits(chain, height=5)) == refused("E8", 2)
    assert verdict(chain, two_commits(chain, height=5, who=3)) == Accepted()


def test_e9_both_are_signed_by_the_offender(chain: Chain) -> None:
    evidence = two_commits(chain)
    forger = Signatory(OFFENDER, key=chain.members.votes[ValidatorId(3)], chain_id=chain.chain_id)
    forged = replace(evidence, second=forger.bundle(evidence.second.vote)[0])
    assert verdict(chain, forged) == refused("E9", OFFENDER)
    assert verdict(chain, evidence) == Accepted()


def test_a_refusal_leaves_nothing(chain: Chain) -> None:
    before = {key: value for key, value in chain.state.scan(b"") if not key.startswith(b"used/")}
    for evidence in (two_commits(chain, era=1), two_commits(chain, who=4)):
        verdict(chain, evidence)
    assert {key: value for key, value in chain.state.scan(b"") if not key.startswith(b"used/")} == before


@pytest.mark.parametrize("flood", [17, 200])
def test_b24_a_flood_of_evidence_is_a_valid_block_and_the_chain_goes_on(flood: int) -> None:
    """Tendermint 0.28: more evidence than a block may have made proposals invalid, and the chain halted."""
    chain = Chain()
    raws = [report(chain, two_commits(chain, height=3 + number, who=number % 4)) for number in range(flood)]
    found = verdicts(chain.block(*raws))
    most = ChainParameters().block_evidence_max
    assert found == [Accepted()] * most + [refused("E2", most)] * (flood - most)
    assert verdicts(chain.block(*[report(chain, two_commits(chain, height=3 + most))])) == [Accepted()]


def test_b24_a_flood_and_the_removal_of_the_offender_in_one_block() -> None:
    """CometBFT #4114: evidence against a validator that the same block removes."""
    chain = Chain()
    with_validator(chain)
    era, first = queries.era(chain.state)
    liar = Signatory(OFFENDER, key=chain.members.votes[ValidatorId(OFFENDER)], chain_id=chain.chain_id)
    votes = [
        double_vote(*(liar.vote(block, height=first + number, view=0, era=era) for block in "ab"))
        for number in range(40)
    ]
    removal = chain.sign(chain.operator, body(chain, RemoveValidator(validator=ValidatorId(OFFENDER))))
    most = ChainParameters().block_evidence_max
    before = [report(chain, evidence) for evidence in votes[: most // 2]]
    after = [report(chain, evidence) for evidence in votes[most // 2 :]]
    found = verdicts(chain.block(*before, removal, *after))
    assert found[: most // 2] == [Accepted()] * (most // 2)
    assert isinstance(found[most // 2], Accepted)
    assert found[most // 2 + 1 :] == [Accepted()] * (most // 2) + [refused("E2", most)] * (40 - most)
    assert ValidatorId(OFFENDER) not in queries.validators(chain.state)
    assert verdict(chain, votes[-1]) == refused("E8", most), "and the chain goes on"


def test_what_was_signed_in_a_past_era_is_judged_by_its_validators() -> None:
    chain = Chain(parameters=ChainParameters(evidence_heights_max=2))
    with_validator(chain)
    last = chain.height
    assert queries.era(chain.state) == (1, last + 1)
    liar = signatory(chain)
    starts = [double_new_view(liar.new_view("a", view=view), liar.new_view("b", view=view)) for view in (1, 2)]
    assert verdict(chain, two_commits(chain, height=last)) == Accepted()
    assert verdict(chain, starts[0]) == Accepted()
    assert verdict(chain, two_commits(chain, height=last, who=4)) == refused("E4", 4, 0)
    assert verdict(chain, starts[1]) == refused("E6", 0, last + 2)
    assert verdict(chain, two_commits(chain, height=last + 9, era=2)) == refused("E3", 2)


def test_what_was_recorded_is_read_back_from_any_state_that_has_it(chain: Chain) -> None:
    assert verdict(chain, two_commits(chain)) == Accepted()
    copy = MemoryState(dict(chain.state.scan(b"")))
    assert queries.offences_count(copy, Era(0), ValidatorId(OFFENDER)) == 1
    assert queries.evidence_count(copy).count == 1
