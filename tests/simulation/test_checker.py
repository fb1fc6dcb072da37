"""Each invariant of the checker by itself: what breaks it, and the near miss that does not."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from consensus.messages import Proposal
from ledger.certificates import CertifiedBlock
from ledger.evidence import Offence, OffenceKind
from ledger.hashing import sha256
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteKind
from tests.consensus.forge import Forge
from tests.simulation.byzantine import forged_body
from tests.simulation.checker import Checker
from tests.simulation.verifier import Electorate
from tests.simulation.violation import Violation
from tests.simulation.vote_rules import VoteRules

FORGE = Forge(5)
A, B = FORGE.chain(2)
OTHER = FORGE.block(FORGE.genesis, b"other")
WHO = ValidatorId(0)


class Silent(VoteRules):
    """Leaves every vote to the checker itself."""

    def on_vote(self, who: ValidatorId, vote: Vote) -> None:
        """Say nothing."""


def checker() -> Checker:
    rules = Silent(genesis=FORGE.genesis, chain_id=FORGE.context.chain_id)
    keys = {member.id: member.vote_key for member in FORGE.context.validators.members}
    rules.electorates[Era(0)] = Electorate(keys=keys, root=FORGE.genesis)
    return Checker(rules=rules, chain_id=FORGE.context.chain_id, genesis=FORGE.genesis.digest)


def appends(*blocks: CertifiedBlock, head: int = 0, then: tuple[CertifiedBlock, ...] = ()) -> Callable[[], None]:
    """Return an attempt: one validator appends some blocks, and then another one some others."""

    def attempt() -> None:
        ours = checker()
        ours.on_append(WHO, Height(head), list(blocks))
        if then:
            ours.on_append(ValidatorId(1), Height(0), list(then))

    return attempt


def bare(certified: CertifiedBlock) -> CertifiedBlock:
    return replace(certified, certificate=None)


def certified_by(*signers: int, view: int = 0) -> CertifiedBlock:
    return CertifiedBlock(block=A, certificate=FORGE.certificate(A.header, view, signers=signers))


def doubled() -> CertifiedBlock:
    certificate = FORGE.certificate(A.header)
    commits = (*certificate.commits[:-1], certificate.commits[0])
    return CertifiedBlock(block=A, certificate=replace(certificate, commits=commits))


def of_two_views() -> CertifiedBlock:
    first, second = FORGE.certificate(A.header, 0), FORGE.certificate(A.header, 1)
    return CertifiedBlock(block=A, certificate=replace(first, commits=(*first.commits[:3], second.commits[3])))


FINE = FORGE.certified(A)
BAD_APPENDS = {
    "agreement: another block": appends(FINE, then=(FORGE.certified(OTHER),)),
    "agreement: a child of another block": appends(FORGE.certified(OTHER), FORGE.certified(B)),
    "agreement: a gap": appends(FORGE.certified(B)),
    "certificate: none": appends(bare(FINE)),
    "certificate: none at the end": appends(FINE, bare(FORGE.certified(B))),
    "certificate: of another block": appends(replace(FINE, certificate=FORGE.certificate(OTHER.header))),
    "certificate: of too few": appends(certified_by(0, 1, 2)),
    "certificate: one counted twice": appends(doubled()),
    "certificate: of two views": appends(of_two_views()),
    "certificate: of prepares": appends(
        replace(
            FINE,
            certificate=replace(
                FORGE.certificate(A.header),
                commits=tuple(FORGE.proof(who, FORGE.vote(VoteKind.PREPARE, A.header)) for who in range(4)),
            ),
        )
    ),
    "body: other transactions": appends(replace(FINE, block=forged_body(Proposal(block=A)).block)),
}


@pytest.mark.parametrize("name", BAD_APPENDS)
def test_what_breaks_a_promise_is_seen(name: str) -> None:
    with pytest.raises(Violation, match=name.partition(":")[0]):
        BAD_APPENDS[name]()


def test_what_is_right_is_let_pass() -> None:
    chain = (bare(FINE), FORGE.certified(B, 3))
    appends(*chain, then=(certified_by(1, 2, 3, 4, view=7), FORGE.certified(B)))()


@pytest.mark.parametrize("place", range(3))
def test_a_commit_is_found_at_any_place_of_a_bundle(place: int) -> None:
    """The path to it is climbed here by another algorithm than the ledger's."""
    votes = [FORGE.vote(VoteKind.PREPARE, block.header) for block in (OTHER, B)]
    votes.insert(place, FORGE.vote(VoteKind.COMMIT, A.header))
    proofs = [list(FORGE.votes(who, *votes).bundle.proofs())[place][1] for who in range(4)]
    good = replace(FORGE.certificate(A.header), commits=tuple(proofs))
    appends(replace(FINE, certificate=good))()
    wrong = replace(proofs[0], index=(place + 1) % 3)
    short = replace(proofs[0], path=proofs[0].path[1:])
    long = replace(proofs[0], path=(*proofs[0].path, sha256(b"more")))
    for proof in (wrong, short, long):
        with pytest.raises(Violation, match="certificate"):
            appends(replace(FINE, certificate=replace(good, commits=(proof, *proofs[1:]))))()


def test_views_end_no_sooner_than_the_shortest_timeout() -> None:
    ours = checker()
    ours.on_send(WHO, FORGE.view_change(WHO, 1), now=1.0)
    ours.on_send(WHO, FORGE.view_change(WHO, 3), now=2.5)
    with pytest.raises(Violation, match="haste"):
        ours.on_send(WHO, FORGE.view_change(WHO, 4), now=2.5)


def test_where_nothing_happens_nobody_leaves_a_view() -> None:
    ours = checker()
    ours.calm = True
    ours.on_send(WHO, FORGE.prepare(WHO, A.header), now=9.0)
    with pytest.raises(Violation, match="calm"):
        ours.on_send(WHO, FORGE.view_change(WHO, 1), now=9.0)


def test_two_digests_for_one_slot_are_seen() -> None:
    ours = checker()
    ours.on_send(WHO, FORGE.prepare(WHO, A.header))
    ours.on_send(WHO, FORGE.prepare(WHO, A.header))
    ours.on_send(WHO, FORGE.prepare(WHO, OTHER.header, view=1))
    ours.on_send(WHO, FORGE.commit(WHO, OTHER.header, view=1))
    ours.on_send(WHO, FORGE.prepare(1, OTHER.header))
    with pytest.raises(Violation, match="contradiction"):
        ours.on_send(WHO, FORGE.prepare(WHO, OTHER.header))


def test_a_commit_for_another_block_than_was_prepared_is_seen() -> None:
    ours = checker()
    ours.on_send(WHO, FORGE.prepare(WHO, A.header))
    with pytest.raises(Violation, match="contradiction"):
        ours.on_send(WHO, FORGE.commit(WHO, OTHER.header))


def test_a_view_change_with_a_gap_below_a_commit_is_seen() -> None:
    ours = checker()
    child = FORGE.block(A.header, b"child")
    ours.on_send(WHO, FORGE.commit(WHO, child.header))
    with pytest.raises(Violation, match="omission"):
        ours.on_send(WHO, FORGE.view_change(WHO, 1, prepared=[FORGE.prepared(child.header)]))


def test_whoever_believes_ill_of_an_honest_one_is_seen() -> None:
    offence = Offence(offender=ValidatorId(1), kind=OffenceKind.COMMIT, era=Era(0), view=View(0), height=Height(1))
    checker().on_evidence(WHO, offence, honest=False)
    with pytest.raises(Violation, match="framed"):
        checker().on_evidence(WHO, offence, honest=True)


def test_a_vote_in_a_view_that_was_left_is_seen() -> None:
    ours = checker()
    ours.on_send(WHO, FORGE.view_change(WHO, 2))
    ours.on_send(WHO, FORGE.prepare(WHO, A.header, view=2))
    with pytest.raises(Violation, match="left view"):
        ours.on_send(WHO, FORGE.prepare(WHO, B.header, view=1))


def test_two_view_changes_and_two_new_views_are_seen() -> None:
    ours = checker()
    ours.on_send(WHO, FORGE.view_change(WHO, 1))
    ours.on_send(WHO, FORGE.view_change(WHO, 1))
    with pytest.raises(Violation, match="two changes"):
        ours.on_send(WHO, FORGE.view_change(WHO, 1, certificate=FORGE.certificate(A.header)))
    primary = FORGE.primary(1)
    changes = FORGE.view_changes(1)
    ours.on_send(primary, FORGE.new_view(changes))
    with pytest.raises(Violation, match="two changes"):
        ours.on_send(primary, FORGE.new_view(tuple(FORGE.view_change(who, 1) for who in range(4))))


def test_a_view_change_that_hides_a_commit_is_seen() -> None:
    def said(change: object) -> None:
        ours = checker()
        ours.on_send(WHO, FORGE.commit(WHO, A.header, view=1))
        ours.on_send(WHO, change)  # type: ignore[arg-type]

    said(FORGE.view_change(WHO, 2, prepared=[FORGE.prepared(A.header, 1)]))
    said(FORGE.view_change(WHO, 2, certificate=FORGE.certificate(A.header)))
    for hidden in ([], [FORGE.prepared(A.header, 0)]):
        with pytest.raises(Violation, match="omission"):
            said(FORGE.view_change(WHO, 2, prepared=hidden))


def test_the_era_and_view_of_a_certificate_are_part_of_it() -> None:
    for change in ({"era": Era(1)}, {"view": View(1)}, {"height": Height(2)}):
        certificate = replace(FORGE.certificate(A.header), **change)
        with pytest.raises(Violation, match="certificate"):
            appends(replace(FINE, certificate=certificate))()
