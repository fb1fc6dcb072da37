"""Each rule of votes by itself: what breaks it, and the near miss that does not."""

import pytest
from msgspec.structs import replace

from consensus.records import (
    BodyRecord,
    EnteredRecord,
    PreparedRecord,
    PrePrepareRecord,
    Record,
    ViewChangeRecord,
    VotesRecord,
)
from ledger.blocks import Block
from ledger.quantities import Era, ValidatorId
from ledger.votes import Vote, VoteKind
from tests.consensus.forge import Forge
from tests.simulation.verifier import Electorate
from tests.simulation.violation import Violation
from tests.simulation.vote_rules import VoteRules

FORGE = Forge(4, window=4)
A, B, C = FORGE.chain(3)
PRIMARY = FORGE.primary(0)
WHO = next(who for who in FORGE.ids if who not in {PRIMARY, FORGE.primary(1)})


def rules(*records: Record, who: ValidatorId = WHO) -> VoteRules:
    """Return the rules for a validator with these records on its disk."""
    ours = VoteRules(genesis=FORGE.genesis, chain_id=FORGE.context.chain_id)
    keys = {member.id: member.vote_key for member in FORGE.context.validators.members}
    ours.electorates[Era(0)] = Electorate(keys=keys, root=FORGE.genesis)
    ours.on_synced(who, records)
    return ours


def vote(kind: VoteKind, block: Block, view: int = 0) -> Vote:
    return FORGE.vote(kind, block.header, view)


def proposed(block: Block, view: int = 0) -> PrePrepareRecord:
    primary = FORGE.primary(view)
    pre_prepare = vote(VoteKind.PRE_PREPARE, block, view)
    return PrePrepareRecord(vote=pre_prepare, proof=FORGE.proof(primary, pre_prepare))


def prepared(block: Block, view: int = 0) -> PreparedRecord:
    return PreparedRecord(certificate=FORGE.prepared(block.header, view))


def entered(view: int = 1, **said: object) -> EnteredRecord:
    changes = tuple(FORGE.view_change(who, view, **said) for who in FORGE.ids[: FORGE.quorum])  # type: ignore[arg-type]
    return EnteredRecord(new_view=FORGE.new_view(changes), view_changes=changes)


def held(block: Block, view: int = 0) -> tuple[Record, ...]:
    """Return all that a commit for a block must rest on."""
    votes = (vote(VoteKind.PREPARE, block, view), vote(VoteKind.COMMIT, block, view))
    return BodyRecord(block=block), proposed(block, view), prepared(block, view), VotesRecord(votes=votes)


def test_what_rests_on_the_log_is_let_pass() -> None:
    ours = rules(*held(A), *held(B))
    for block in (A, B):
        ours.on_vote(WHO, vote(VoteKind.PREPARE, block))
        ours.on_vote(WHO, vote(VoteKind.COMMIT, block))
    ours.on_vote(WHO, vote(VoteKind.COMMIT, A))  # resent


@pytest.mark.parametrize("missing", range(4))
def test_a_vote_rests_on_what_is_durable(missing: int) -> None:
    records = [record for place, record in enumerate(held(A)) if place != missing]
    kind = VoteKind.COMMIT if missing == 2 else VoteKind.PREPARE
    with pytest.raises(Violation, match="prepared" if missing == 2 else "durable"):
        rules(*records).on_vote(WHO, vote(kind, A))


def test_the_primary_prepares_nothing_and_a_backup_proposes_nothing() -> None:
    for who, kind in ((PRIMARY, VoteKind.PREPARE), (WHO, VoteKind.PRE_PREPARE)):
        ours = rules(BodyRecord(block=A), proposed(A), VotesRecord(votes=(vote(kind, A),)), who=who)
        with pytest.raises(Violation, match="primary"):
            ours.on_vote(who, vote(kind, A))


def test_a_commit_follows_its_parent() -> None:
    with pytest.raises(Violation, match="prefix"):
        rules(*held(B)).on_vote(WHO, vote(VoteKind.COMMIT, B))
    ours = rules(*held(B))
    ours.on_append(WHO, [A.header])
    ours.on_vote(WHO, vote(VoteKind.COMMIT, B))


def test_a_commit_of_the_parent_in_another_view_carries_no_child() -> None:
    carried = entered(prepared=[FORGE.prepared(A.header, 0), FORGE.prepared(B.header, 0)])
    ours = rules(*held(A), *held(B), carried, *held(B, 1))
    ours.on_vote(WHO, vote(VoteKind.COMMIT, A))
    with pytest.raises(Violation, match="prefix"):
        ours.on_vote(WHO, vote(VoteKind.COMMIT, B, 1))


def test_a_view_is_entered_before_it_is_voted_in_and_begins_above_its_base() -> None:
    with pytest.raises(Violation, match="durable"):
        rules(*held(A, 1)).on_vote(WHO, vote(VoteKind.COMMIT, A, 1))
    based = entered(certificate=FORGE.certificate(A.header))
    for block in (A, B):  # at the base, and above it before it is appended
        with pytest.raises(Violation, match="base"):
            rules(based, *held(block, 1)).on_vote(WHO, vote(VoteKind.COMMIT, block, 1))


def test_what_was_carried_over_is_voted_for_and_nothing_else() -> None:
    other = FORGE.block(FORGE.genesis, b"other")
    carried = entered(prepared=[FORGE.prepared(A.header, 0)])
    rules(carried, *held(A, 1)).on_vote(WHO, vote(VoteKind.PREPARE, A, 1))
    with pytest.raises(Violation, match="choice"):
        rules(carried, *held(other, 1)).on_vote(WHO, vote(VoteKind.PREPARE, other, 1))


def test_a_new_view_is_what_its_view_changes_lead_to() -> None:
    good = entered(prepared=[FORGE.prepared(A.header, 0)])
    payload = good.new_view.payload
    bad = [
        replace(good, new_view=replace(good.new_view, payload=replace(payload, choices=()))),
        replace(good, view_changes=good.view_changes[:-1]),
        replace(good, view_changes=tuple(FORGE.view_change(who, 2) for who in FORGE.ids[: FORGE.quorum])),
    ]
    for record in bad:
        with pytest.raises(Violation, match="purity"):
            rules(record)


def test_certificates_on_disk_verify() -> None:
    certificate = FORGE.prepared(A.header, 0)
    few = PreparedRecord(certificate=replace(certificate, prepares=certificate.prepares[:-1]))
    doubled = PreparedRecord(certificate=replace(certificate, prepares=(certificate.prepares[0],) * 2))
    other = PreparedRecord(certificate=replace(certificate, header=B.header))
    for record in (few, doubled, other):
        with pytest.raises(Violation, match="prepared"):
            rules(record)
    with pytest.raises(Violation, match="primary"):
        rules(
            PrePrepareRecord(vote=vote(VoteKind.PRE_PREPARE, A), proof=FORGE.proof(WHO, vote(VoteKind.PRE_PREPARE, A)))
        )
    rules(ViewChangeRecord(view_change=FORGE.view_change(WHO, 1)))


def test_no_vote_for_a_child_of_the_block_that_ends_an_era_before_it_is_appended() -> None:
    boundary = FORGE.block(FORGE.genesis, b"~2")
    child = FORGE.block(boundary.header, b"x")
    early = replace(vote(VoteKind.PREPARE, child), era=Era(0))
    with pytest.raises(Violation, match="era"):
        rules(BodyRecord(block=boundary), BodyRecord(block=child), VotesRecord(votes=(early,))).on_vote(WHO, early)
    with pytest.raises(Violation, match="era 1"):
        rules(prepared(child))
