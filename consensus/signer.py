"""The vote key and what waits for its signature; `SafetyRules` alone may use it, and decides what may be signed.

Votes are admitted, taken to be synced, and only then sealed: whatever leaves can be read in the vote log.
"""

from consensus.messages import NewView, NewViewPayload, ViewChange, ViewChangePayload
from consensus.records import VotesRecord
from ledger.encoding import Purpose, encode
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import ValidatorId
from ledger.votes import BUNDLE_VOTES_MAX, Vote, VoteBundle


class Signer:
    """Signs for one validator; knows no rule."""

    def __init__(self, *, validator: ValidatorId, key: SigningKey, chain_id: Digest) -> None:
        self._validator = validator
        self._key = key
        self._chain_id = chain_id
        self._admitted: list[Vote] = []
        self._taken: list[VotesRecord] = []

    def admit(self, vote: Vote) -> None:
        """Let a vote wait for the next sync."""
        self._admitted.append(vote)

    def take(self) -> VotesRecord | None:
        """Return the votes admitted since the last call, to be synced."""
        if not self._admitted:
            return None
        record = VotesRecord(votes=tuple(self._admitted))
        self._taken.append(record)
        self._admitted = []
        return record

    def seal(self) -> tuple[VoteBundle, ...]:
        """Sign what was taken, each vote once."""
        assert not self._admitted, "votes were admitted after the last sync"
        bundles = [bundle for record in self._taken for bundle in self.sign(record.votes)]
        self._taken = []
        return tuple(bundles)

    def drop(self) -> None:
        """Forget what waits: the view that it is for was left."""
        self._admitted, self._taken = [], []

    def sign(self, votes: tuple[Vote, ...]) -> tuple[VoteBundle, ...]:
        """Sign votes that are in the vote log; the same votes give the same bytes."""
        chunks = (votes[start : start + BUNDLE_VOTES_MAX] for start in range(0, len(votes), BUNDLE_VOTES_MAX))
        return tuple(
            VoteBundle.sign(chunk, validator=self._validator, key=self._key, chain_id=self._chain_id)
            for chunk in chunks
        )

    def view_change(self, payload: ViewChangePayload) -> ViewChange:
        """Sign a VIEW-CHANGE; to be synced before it leaves."""
        signature = self._key.sign(Purpose.VIEW_CHANGE, encode(payload.statement), chain_id=self._chain_id)
        return ViewChange(payload=payload, signature=signature)

    def new_view(self, payload: NewViewPayload) -> NewView:
        """Sign a NEW-VIEW; to be synced before it leaves."""
        signature = self._key.sign(Purpose.NEW_VIEW, encode(payload.statement), chain_id=self._chain_id)
        return NewView(payload=payload, signature=signature)
