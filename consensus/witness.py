"""What validators have signed lately, and whoever has contradicted itself.

Everything here was verified before. It is kept for a while after its block was appended, since who tells two audiences
two stories is found out only when the stories meet: late votes, certificates, and what replicas that were told
different things tell each other. Bounded: heights around the head, a few views a height, a few view changes and a few
offences a validator; whoever signs without end displaces only what it has signed itself.
"""

from collections.abc import Iterator

from ledger.evidence import (
    Amnesia,
    EraMembers,
    Evidence,
    Offence,
    ProvenOffence,
    SignedVote,
    claimed_offence,
    double_new_view,
    double_view_change,
    double_vote,
    is_amnesia,
)
from ledger.quantities import Height, ValidatorId, View
from ledger.statements import SignedNewView, SignedViewChange
from ledger.votes import Vote, VoteKind, VoteProof

HEIGHTS_BEHIND = 64
"""Appended heights whose votes are remembered."""
VOTES_MAX = 32
"""Votes of one validator remembered at one height: two a view."""
CHANGES_MAX = 16
"""View changes, and new views, of one validator remembered: the latest ones."""
OFFENCES_MAX = 4
"""Offences of one validator told to the others in one era; one convicts it."""

Split = tuple[ValidatorId, View, Height]
"""A validator that voted for another block than the primary's that is known here, and where."""


class Witness:
    """Remembers one era."""

    def __init__(self, members: EraMembers) -> None:
        self._members = members
        self._votes: dict[Height, dict[ValidatorId, dict[tuple[bool, View], SignedVote]]] = {}
        self._view_changes: dict[ValidatorId, dict[View, SignedViewChange]] = {}
        self._new_views: dict[ValidatorId, dict[View, SignedNewView]] = {}
        self._offences: dict[Offence, ProvenOffence] = {}
        self._fresh: list[ProvenOffence] = []
        self._splits: list[Split] = []
        self._told: dict[Height, set[Split]] = {}

    @property
    def members(self) -> EraMembers:
        """What evidence is judged by."""
        return self._members

    @property
    def has_news(self) -> bool:
        """Whether `take` would return anything."""
        return bool(self._fresh or self._splits)

    def take(self) -> tuple[list[ProvenOffence], list[Split]]:
        """Return the offences found, and the disagreements with a primary seen, since the last call; each once."""
        fresh, splits = self._fresh, self._splits
        self._fresh, self._splits = [], []
        return fresh, splits

    def offences(self) -> tuple[ProvenOffence, ...]:
        """Return all offences that are known here."""
        return tuple(self._offences.values())

    def on_vote(self, vote: Vote, proof: VoteProof, *, primary: ValidatorId) -> None:
        """Remember a verified vote; `primary` is that of its view."""
        here = self._votes.setdefault(vote.height, {})
        own = here.setdefault(proof.validator, {})
        committed = vote.kind is VoteKind.COMMIT
        place = (committed, vote.view)
        earlier = own.get(place)
        if earlier is not None:
            if earlier.vote.digest != vote.digest:
                self._convict(double_vote(earlier, SignedVote(vote=vote, proof=proof)))
            return
        signed = own[place] = SignedVote(vote=vote, proof=proof)
        if len(own) > VOTES_MAX:
            del own[next(iter(own))]
        other = own.get((not committed, vote.view))
        if other is not None and other.vote.digest != vote.digest:
            self._convict(double_vote(other, signed))
        if committed:
            for change in self._view_changes.get(proof.validator, {}).values():
                self._compare(signed, change)
        else:
            self._note_splits(here, signed, primary)

    def on_view_change(self, signed: SignedViewChange) -> None:
        """Remember a VIEW-CHANGE whose signature was verified."""
        statement = signed.statement
        own = self._view_changes.setdefault(statement.validator, {})
        earlier = own.setdefault(statement.view, signed)
        if earlier.statement.payload != statement.payload:
            self._convict(double_view_change(earlier, signed))
        _keep_latest(own)
        for here in self._votes.values():
            for (committed, _), vote in here.get(statement.validator, {}).items():
                if committed:
                    self._compare(vote, signed)

    def on_new_view(self, signed: SignedNewView) -> None:
        """Remember a NEW-VIEW whose signature was verified."""
        own = self._new_views.setdefault(signed.statement.validator, {})
        earlier = own.setdefault(signed.statement.view, signed)
        if earlier.statement.payload != signed.statement.payload:
            self._convict(double_new_view(earlier, signed))
        _keep_latest(own)

    def on_evidence(self, proven: ProvenOffence) -> None:
        """Remember what somebody else has found, once it is verified."""
        if self.is_news(proven.offence):
            self._offences[proven.offence] = proven
            self._fresh.append(proven)

    def is_news(self, offence: Offence) -> bool:
        """Return whether an offence is not known here, and there is room for it."""
        known = sum(one.offender == offence.offender for one in self._offences)
        return offence not in self._offences and known < OFFENCES_MAX

    def knows_view_change(self, signed: SignedViewChange) -> bool:
        """Return whether that very VIEW-CHANGE is remembered."""
        known = self._view_changes.get(signed.statement.validator, {}).get(signed.statement.view)
        return known is not None and known.statement == signed.statement

    def knows_new_view(self, signed: SignedNewView) -> bool:
        """Return whether that very NEW-VIEW is remembered."""
        known = self._new_views.get(signed.statement.validator, {}).get(signed.statement.view)
        return known is not None and known.statement == signed.statement

    def knows(self, who: ValidatorId, vote: Vote) -> bool:
        """Return whether a vote of a validator for that very block is remembered."""
        known = self._vote(who, vote, committed=vote.kind is VoteKind.COMMIT)
        return known is not None and known.vote.digest == vote.digest

    def is_contradicted(self, who: ValidatorId, vote: Vote) -> bool:
        """Return whether a vote, if `who` has signed it, contradicts another one that is remembered."""
        found = (self._vote(who, vote, committed=committed) for committed in (False, True))
        return any(known is not None and known.vote.digest != vote.digest for known in found)

    def slot(self, view: View, height: Height) -> Iterator[SignedVote]:
        """Yield all votes that are remembered of one view at one height, by validator."""
        for _, own in sorted(self._votes.get(height, {}).items()):
            for committed in (False, True):
                vote = own.get((committed, view))
                if vote is not None:
                    yield vote

    def prune(self, head: Height) -> None:
        """Forget heights that were appended long ago."""
        for height in [height for height in self._votes if height <= head - HEIGHTS_BEHIND]:
            del self._votes[height]
            self._told.pop(height, None)

    def _vote(self, who: ValidatorId, vote: Vote, *, committed: bool) -> SignedVote | None:
        return self._votes.get(vote.height, {}).get(who, {}).get((committed, vote.view))

    def _note_splits(
        self, here: dict[ValidatorId, dict[tuple[bool, View], SignedVote]], signed: SignedVote, primary: ValidatorId
    ) -> None:
        """Note who has prepared another block than the one that the primary has proposed to us."""
        view = signed.vote.view
        assigned = here.get(primary, {}).get((False, view))
        if assigned is None:
            return
        who = signed.proof.validator
        others = here if who == primary else {who: here[who]}
        for other, own in others.items():
            vote = own.get((False, view))
            split = (other, view, signed.vote.height)
            told = self._told.setdefault(signed.vote.height, set())
            if vote is not None and vote.vote.digest != assigned.vote.digest and split not in told:
                told.add(split)
                self._splits.append(split)

    def _compare(self, commit: SignedVote, change: SignedViewChange) -> None:
        if is_amnesia(commit.vote, change.statement, first_height=self._members.first_height):
            self._convict(Amnesia(commit=commit, view_change=change))

    def _convict(self, evidence: Evidence) -> None:
        offence = claimed_offence(evidence, first_height=self._members.first_height)
        self.on_evidence(ProvenOffence(offence=offence, evidence=evidence))


def _keep_latest(own: dict[View, SignedViewChange] | dict[View, SignedNewView]) -> None:
    if len(own) > CHANGES_MAX:
        del own[next(iter(own))]
