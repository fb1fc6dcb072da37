"""Things that a validator signs, for tests that show them side by side."""

from ledger.encoding import Purpose, encode
from ledger.evidence import EraMembers, SignedVote
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.statements import (
    NewViewStatement,
    PreparedClaim,
    SignedNewView,
    SignedViewChange,
    ViewChangeStatement,
)
from ledger.votes import Vote, VoteBundle, VoteKind
from tests.ledger.helpers import CHAIN, digest, validator_set, vote_key

MEMBERS = EraMembers(era=Era(0), first_height=Height(1), last_height=None, validators=validator_set())


class Signatory:
    """Signs anything, with one key."""

    def __init__(self, who: int = 1, *, key: SigningKey | None = None, chain_id: Digest = CHAIN) -> None:
        self.who = ValidatorId(who)
        self.key = key or vote_key(who)
        self.chain_id = chain_id

    def vote(
        self, block: str, kind: VoteKind = VoteKind.COMMIT, *, height: int = 7, view: int = 2, era: int = 0
    ) -> SignedVote:
        """Return a vote that left alone."""
        vote = Vote(kind=kind, era=Era(era), view=View(view), height=Height(height), digest=digest(block))
        return self.bundle(vote)[0]

    def bundle(self, *votes: Vote) -> list[SignedVote]:
        """Return votes that left together."""
        bundle = VoteBundle.sign(votes, validator=self.who, key=self.key, chain_id=self.chain_id)
        return [SignedVote(vote=vote, proof=proof) for vote, proof in bundle.proofs()]

    def view_change(
        self, name: str = "", *claims: tuple[int, int, str], view: int = 3, head: int | None = 6, era: int = 0
    ) -> SignedViewChange:
        """Return a VIEW-CHANGE that claims prepared certificates by (height, view, block)."""
        statement = ViewChangeStatement(
            validator=self.who,
            era=Era(era),
            view=View(view),
            head=None if head is None else Height(head),
            prepared=tuple(
                PreparedClaim(height=Height(height), view=View(claimed), digest=digest(block))
                for height, claimed, block in claims
            ),
            payload=digest(name),
        )
        signature = self.key.sign(Purpose.VIEW_CHANGE, encode(statement), chain_id=self.chain_id)
        return SignedViewChange(statement=statement, signature=signature)

    def new_view(self, name: str = "", *, view: int = 3, era: int = 0) -> SignedNewView:
        """Return a NEW-VIEW."""
        statement = NewViewStatement(validator=self.who, era=Era(era), view=View(view), payload=digest(name))
        signature = self.key.sign(Purpose.NEW_VIEW, encode(statement), chain_id=self.chain_id)
        return SignedNewView(statement=statement, signature=signature)
