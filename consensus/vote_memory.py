"""What one validator has voted in one era, above the appended head; `safety_rules` says what may follow from it.

It holds no rule of its own. It remembers what the vote log remembers: `SafetyRules.restore` fills it after a crash.
"""

from collections.abc import Sequence

from consensus.errors import Unsafe
from consensus.messages import Choice, NewView, ViewChange
from consensus.new_view import EraContext, Start
from consensus.records import CutRecord, Record, VotesRecord, era_of, greatest_height
from consensus.signer import Signer
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import U63_MAX, Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind


class VoteMemory:
    """Votes, prepared certificates and the view of one validator; it may only grow until blocks are appended."""

    def __init__(
        self,
        *,
        context: EraContext,
        validator: ValidatorId,
        key: SigningKey,
        head: Choice,
        certificate: CommitCertificate | None,
    ) -> None:
        """Begin in view 0 above the appended head; `restore` brings back what was signed before a crash."""
        assert context.validators.vote_key(validator) == key.public
        self._context = context
        self._validator = validator
        self._signer = Signer(validator=validator, key=key, chain_id=context.chain_id)
        self._head = head
        self._head_certificate = certificate
        self._view = View(0)
        self._start: Start | None = Start(base=context.root, certificate=None, choices=(), headers=())
        self._proposed: dict[tuple[View, Height], Digest] = {}
        self._committed: dict[tuple[View, Height], Digest] = {}
        self._prepared: dict[Height, PreparedCertificate] = {}
        self._view_change: ViewChange | None = None
        self._new_view: NewView | None = None
        self._resumes_at: int = head.height

    @property
    def may_speak(self) -> bool:
        """Whether it has appended what its log shows it to have had (S12)."""
        return self._head.height >= self._resumes_at

    @property
    def resumes_at(self) -> int:
        """Height from which on it may speak; beyond all heights if its log is of a later era."""
        return self._resumes_at

    @property
    def view(self) -> View:
        """View that it votes in, or is changing to."""
        return self._view

    @property
    def start(self) -> Start | None:
        """Where the current view starts; None while changing to it."""
        return self._start

    def prepared(self, height: Height) -> PreparedCertificate | None:
        """Return the certificate prepared in the highest view at a height above the head."""
        return self._prepared.get(height)

    def proposed(self, height: Height) -> Digest | None:
        """Return what was pre-prepared or prepared at a height in the current view."""
        return self._proposed.get((self._view, height))

    def committed(self, height: Height) -> bool:
        """Return whether a commit was admitted at a height above the head in the current view."""
        return (self._view, height) in self._committed

    def knows(self, vote: Vote) -> bool:
        """Return whether an own vote at a height above the head is one of those that were admitted here."""
        cast = self._committed if vote.kind is VoteKind.COMMIT else self._proposed
        return cast.get((vote.view, Height(vote.height))) == vote.digest

    def take(self) -> VotesRecord | None:
        """Return the votes admitted since the last call; they must be synced before `seal`."""
        return self._signer.take()

    def seal(self) -> tuple[VoteBundle, ...]:
        """Sign what was taken and, so the caller promises, synced."""
        return self._signer.seal()

    def appended(self, head: Choice, certificate: CommitCertificate) -> None:
        """Learn that the chain was appended up to `head`; forget what no longer matters."""
        assert head.height > self._head.height
        self._head, self._head_certificate = head, certificate
        for votes in (self._proposed, self._committed):
            for place in [place for place in votes if place[1] <= head.height]:
                del votes[place]
        self._prepared = {height: held for height, held in self._prepared.items() if height > head.height}

    def _shown_by(self, records: Sequence[Record]) -> int:
        """Return up to where a log shows this validator to have appended; beyond this era if it had come further."""
        if any(era_of(record) > self._context.era for record in records):
            return U63_MAX
        cut = max((record.height for record in records if isinstance(record, CutRecord)), default=0)
        voted = max((greatest_height(record) for record in records if isinstance(record, VotesRecord)), default=0)
        return max(cut, voted - self._context.window)

    def _same(self, rule: str, vote: Vote, earlier: Digest) -> bool:
        if earlier != vote.digest:
            raise self._refusal(rule, vote, earlier.hex(), vote.digest.hex())
        return False

    def _vote(self, kind: VoteKind, height: Height, digest: Digest) -> Vote:
        return Vote(kind=kind, era=self._context.era, view=self._view, height=height, digest=digest)

    def _refusal(self, rule: str, vote: Vote, expected: object, got: object) -> Unsafe:
        where = f"{rule} {vote.kind.name} at height {vote.height} in view {vote.view}"
        return Unsafe(where, expected=expected, got=got)
