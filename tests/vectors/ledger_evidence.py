"""One value of every noun that evidence of equivocation is made of."""

from collections.abc import Iterator

from msgspec.structs import replace

from ledger.encoding import Noun, Purpose, encode
from ledger.evidence import (
    Amnesia,
    Evidence,
    Offence,
    OffenceKind,
    SignedVote,
    double_new_view,
    double_view_change,
    double_vote,
)
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.statements import (
    NewViewStatement,
    PreparedClaim,
    SignedNewView,
    SignedViewChange,
    ViewChangeStatement,
)
from ledger.votes import Vote, VoteKind
from tests.ledger.helpers import digest, genesis, proof_of, vote_key

CHAIN = genesis().chain_id
COMMIT = Vote(kind=VoteKind.COMMIT, era=Era(0), view=View(2), height=Height(9), digest=digest("block 9"))
OTHER_COMMIT = replace(COMMIT, digest=digest("another block 9"))
COMMITS = tuple(SignedVote(vote=vote, proof=proof_of(vote, 1, chain_id=CHAIN)) for vote in (COMMIT, OTHER_COMMIT))
VIEW_CHANGES = tuple(
    ViewChangeStatement(
        validator=ValidatorId(1),
        era=Era(0),
        view=View(3),
        head=Height(8),
        prepared=(PreparedClaim(height=Height(9), view=View(number), digest=digest("block 9")),),
        payload=digest(f"view change {number}"),
    )
    for number in range(2)
)
NEW_VIEWS = tuple(
    NewViewStatement(validator=ValidatorId(1), era=Era(0), view=View(3), payload=digest(f"new view {number}"))
    for number in range(2)
)
SIGNED_VIEW_CHANGES = tuple(
    SignedViewChange(statement=one, signature=vote_key(1).sign(Purpose.VIEW_CHANGE, encode(one), chain_id=CHAIN))
    for one in VIEW_CHANGES
)
SIGNED_NEW_VIEWS = tuple(
    SignedNewView(statement=one, signature=vote_key(1).sign(Purpose.NEW_VIEW, encode(one), chain_id=CHAIN))
    for one in NEW_VIEWS
)
EVIDENCE: tuple[Evidence, ...] = (
    double_vote(*COMMITS),
    double_view_change(*SIGNED_VIEW_CHANGES),
    double_new_view(*SIGNED_NEW_VIEWS),
    Amnesia(commit=COMMITS[0], view_change=SIGNED_VIEW_CHANGES[0]),
)
OFFENCE = Offence(offender=ValidatorId(1), kind=OffenceKind.AMNESIA, era=Era(2), view=View(3), height=Height(4))


def evidence_nouns() -> Iterator[Noun]:
    """Yield what validators contradict themselves with, and what is made of it."""
    yield from (VIEW_CHANGES[0].prepared[0], VIEW_CHANGES[0], SIGNED_VIEW_CHANGES[0])
    yield from (NEW_VIEWS[0], SIGNED_NEW_VIEWS[0], COMMITS[0], *EVIDENCE, OFFENCE)
