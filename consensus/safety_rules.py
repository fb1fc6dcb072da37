"""What may be signed: the one holder of the vote key, which remembers before it signs and refuses to contradict itself.

Pure, like all of consensus: `pre_prepare`, `prepare` and `commit` admit a vote or raise `Unsafe`; `take` returns what
was admitted, to be synced; only then may `seal` sign it. It refuses (the numbers stand in errors and tests)

 S1 a vote below its own view, in a view it has left, or in one it has not entered;
 S2 a second digest for one (type, era, view, height), pre-prepare and prepare counting as one type, nor a commit for
    another one than it pre-prepared or prepared there;
 S3 a prepare or pre-prepare against the choice of the NEW-VIEW that it verified itself;
 S4 a pre-prepare by a backup, a prepare by the primary;
 S5 a commit without a prepared certificate of its view that it verified itself;
 S6 a commit for h unless it appended h-1, being the parent, or sent COMMIT for that parent in the same view;
 S7 any vote at or below the base of its view's NEW-VIEW, or before that base is appended;
 S8 any vote at an appended height;
 S9 a VIEW-CHANGE that omits what it committed above its certificate, or a second one for a view;
 S10 two NEW-VIEWs for one view, or one that does not follow from its view changes;
 S11 any vote for a block of another era or validator set: a child of a block that ends the era;
 S12 any vote or VIEW-CHANGE before it has appended again what its own log shows it to have had: where a chain was taken
     away and is fetched anew, it would speak as one that has forgotten.

The key itself is in `signer`, which nobody else may use; what was voted so far is in `vote_memory`. Diem's SafetyRules
is the model of its shape; the rules are CONSENSUS.md's.
"""

from collections.abc import Sequence

from consensus.errors import Unsafe
from consensus.messages import NewView, NewViewPayload, ViewChange, ViewChangePayload
from consensus.new_view import Start, choose, verify_new_view
from consensus.records import (
    BodyRecord,
    CutRecord,
    EnteredRecord,
    PreparedRecord,
    PrePrepareRecord,
    Record,
    ViewChangeRecord,
    VotesRecord,
    era_of,
)
from consensus.vote_memory import VoteMemory
from ledger.blocks import BlockHeader
from ledger.certificates import PreparedCertificate
from ledger.quantities import Height, View
from ledger.votes import Vote, VoteBundle, VoteKind


class SafetyRules(VoteMemory):
    """Signs for one validator in one era."""

    @property
    def view_change(self) -> ViewChange | None:
        """Own VIEW-CHANGE for the current view, if one was sent."""
        return self._view_change

    def pre_prepare(self, header: BlockHeader) -> bool:
        """Admit the primary's own proposal; False if that very vote was admitted before."""
        self._check_primary(VoteKind.PRE_PREPARE, own=True)
        return self._propose(VoteKind.PRE_PREPARE, header)

    def prepare(self, header: BlockHeader) -> bool:
        """Admit a backup's acceptance of a proposal; False if that very vote was admitted before."""
        self._check_primary(VoteKind.PREPARE, own=False)
        return self._propose(VoteKind.PREPARE, header)

    def hold(self, certificate: PreparedCertificate) -> bool:
        """Verify and keep a prepared certificate of the current view; False if it is known. Synced before `commit`."""
        header = certificate.header
        vote = self._vote(VoteKind.COMMIT, header.height, header.digest)
        self._check_height(vote)
        self._check_era(vote, header)
        if certificate.view != self._view:
            raise self._refusal("S5", vote, f"a prepared certificate of view {self._view}", f"view {certificate.view}")
        known = self._prepared.get(header.height)
        if known is not None and known.view == certificate.view:
            return self._same("S5", vote, known.header.digest)
        certificate.verify(
            self._context.validators, primary=self._context.primary(self._view), chain_id=self._context.chain_id
        )
        self._prepared[header.height] = certificate
        return True

    def may_commit(self, header: BlockHeader) -> bool:
        """Return whether the prefix rule (S6) lets a block be committed already."""
        if (self._head.height + 1, self._head.digest) == (header.height, header.parent):
            return True
        return self._committed.get((self._view, Height(header.height - 1))) == header.parent

    def commit(self, header: BlockHeader) -> bool:
        """Admit a commit for a block that `hold` has seen prepared; False if it was admitted before."""
        vote = self._vote(VoteKind.COMMIT, header.height, header.digest)
        self._check_height(vote)
        held = self._prepared.get(header.height)
        if held is None or held.view != self._view or held.header.digest != vote.digest:
            raise self._refusal("S5", vote, "a prepared certificate of this view for it", "none")
        if not self.may_commit(header):
            raise self._refusal("S6", vote, "its parent appended or committed in this view", "neither")
        place = (self._view, header.height)
        self._same("S2", vote, self._proposed.get(place, vote.digest))
        earlier = self._committed.get(place)
        if earlier is not None:
            return self._same("S2", vote, earlier)
        self._committed[place] = vote.digest
        self._signer.admit(vote)
        return True

    def give_up(self, view: View) -> ViewChange:
        """Leave the current view for a higher one; the VIEW-CHANGE must be synced before it is sent."""
        if view <= self._view:
            raise Unsafe("S9 VIEW-CHANGE", expected=f"a view above {self._view}", got=view)
        self._check_memory("VIEW-CHANGE")
        self._check_omissions()
        payload = ViewChangePayload(
            validator=self._validator,
            era=self._context.era,
            view=view,
            certificate=self._head_certificate,
            prepared=tuple(self._prepared[height] for height in sorted(self._prepared)),
        )
        change = self._signer.view_change(payload)
        self._leave(change)
        return change

    def announce(self, view_changes: Sequence[ViewChange]) -> NewView:
        """Sign the NEW-VIEW that follows from a quorum of view changes for the current view; `enter` it next."""
        announced = self._new_view is not None and self._new_view.payload.view == self._view
        if announced or self._start is not None or self._context.primary(self._view) != self._validator:
            raise Unsafe("S10 NEW-VIEW", expected="the primary of a view not yet entered", got=f"view {self._view}")
        start = choose(self._context, view_changes)
        payload = NewViewPayload(
            validator=self._validator,
            era=self._context.era,
            view=self._view,
            view_changes=tuple(change.payload.digest for change in view_changes),
            base=start.base,
            choices=start.choices,
        )
        self._new_view = self._signer.new_view(payload)
        return self._new_view

    def enter(self, new_view: NewView, view_changes: Sequence[ViewChange]) -> Start:
        """Verify a NEW-VIEW and go by it; it must be synced before anything is voted in its view."""
        view = new_view.payload.view
        if view < self._view or (view == self._view and self._start is not None):
            raise Unsafe("S10 NEW-VIEW", expected=f"a view above {self._view}, or this one once", got=view)
        self._start = verify_new_view(self._context, new_view, view_changes)
        self._new_view = new_view
        if view > self._view:
            self._view, self._view_change = view, None
        self._signer.drop()
        return self._start

    def restore(self, records: Sequence[Record]) -> tuple[VoteBundle, ...]:
        """Go through what was logged since genesis or the last cut; return own bundles that may still matter."""
        assert self._view == 0
        self._resumes_at = self._shown_by(records)
        bundles: list[VoteBundle] = []
        for record in records:
            if era_of(record) != self._context.era:
                continue
            match record:
                case VotesRecord():
                    bundles += self._restore_votes(record.votes)
                case PreparedRecord():
                    if record.certificate.header.height > self._head.height:
                        self._prepared[record.certificate.header.height] = record.certificate
                case ViewChangeRecord():
                    self._leave(record.view_change)
                case EnteredRecord():
                    self.enter(record.new_view, record.view_changes)
                case BodyRecord() | PrePrepareRecord() | CutRecord():
                    pass
        return tuple(bundles)

    def _restore_votes(self, votes: tuple[Vote, ...]) -> tuple[VoteBundle, ...]:
        for vote in votes:
            if vote.height > self._head.height:
                kind = self._committed if vote.kind is VoteKind.COMMIT else self._proposed
                kind[vote.view, vote.height] = vote.digest
        return self._signer.sign(votes)

    def _leave(self, view_change: ViewChange) -> None:
        self._view_change = view_change
        self._view = view_change.payload.view
        self._start = None
        self._signer.drop()

    def _propose(self, kind: VoteKind, header: BlockHeader) -> bool:
        vote = self._vote(kind, header.height, header.digest)
        start = self._check_height(vote)
        self._check_era(vote, header)
        for choice in start.choices:
            if choice.height == header.height and choice.digest != vote.digest:
                raise self._refusal("S3", vote, f"the choice {choice.digest.hex()}", vote.digest.hex())
        place = (self._view, header.height)
        self._same("S2", vote, self._committed.get(place, vote.digest))
        earlier = self._proposed.get(place)
        if earlier is not None:
            return self._same("S2", vote, earlier)
        self._proposed[place] = vote.digest
        self._signer.admit(vote)
        return True

    def _check_memory(self, what: str) -> None:
        if not self.may_speak:
            raise Unsafe(f"S12 {what}", expected=f"block {self._resumes_at} appended again", got=self._head.height)

    def _check_height(self, vote: Vote) -> Start:
        self._check_memory(vote.kind.name)
        if self._start is None:
            raise self._refusal("S1", vote, f"view {self._view} entered", "still changing to it")
        if self._head.height < self._start.base.height:  # once it is appended, S8 stands for all heights up to it
            raise self._refusal("S7", vote, f"base {self._start.base.height} appended", self._head.height)
        if vote.height <= self._head.height:
            raise self._refusal("S8", vote, f"above head {self._head.height}", vote.height)
        return self._start

    def _check_era(self, vote: Vote, header: BlockHeader) -> None:
        expected = (self._context.era, self._context.validators.digest)
        if (header.era, header.validators) != expected:
            raise self._refusal("S11", vote, f"a block of era {self._context.era} and its set", f"era {header.era}")

    def _check_primary(self, kind: VoteKind, *, own: bool) -> None:
        primary = self._context.primary(self._view)
        if (primary == self._validator) is not own:
            raise Unsafe(f"S4 {kind.name} in view {self._view}", expected=f"primary {primary}", got=self._validator)

    def _check_omissions(self) -> None:
        for (view, height), digest in self._committed.items():
            held = self._prepared.get(height)
            if held is None or held.view < view:
                raise Unsafe(
                    f"S9 VIEW-CHANGE at height {height}",
                    expected=f"the certificate of view {view} for {digest.hex()}",
                    got="none" if held is None else f"one of view {held.view}",
                )
