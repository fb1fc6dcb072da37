"""Invariants of a run, fed by what honest replicas append and send; over the whole run, crashes included.

agreement        one digest a height, each block a child of the one below
certificate      every certificate verifies (`verifier`, not the ledger), and the last block of a batch has one
body             every block's transactions are those of its header
contradiction    one digest for each (validator, view, height) under an honest key, in all phases
left view        no vote of a view below the sender's last VIEW-CHANGE
two changes      one VIEW-CHANGE, and one NEW-VIEW, of a validator for a view
haste            views end one by one, none sooner than the shortest timeout: f+1 that want more move nobody faster
calm             no VIEW-CHANGE where Byzantine validators alone want one
omission         a VIEW-CHANGE carries what its sender has committed, and all below it, above its certificate
framed           no evidence that an honest replica believes names an honest one

What each vote rests on is `vote_rules`' business.
"""

import math
from dataclasses import dataclass, field

from consensus.messages import Message, NewView, NewViewPayload, ViewChange, Votes
from ledger.certificates import CertifiedBlock
from ledger.evidence import Offence
from ledger.hashing import Digest
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteKind
from tests.simulation.node import TIMING
from tests.simulation.verifier import Refused, check_block, check_certificate, digest_of
from tests.simulation.violation import Violation
from tests.simulation.vote_rules import VoteRules


@dataclass(slots=True)
class Checker:
    """What honest replicas have said and appended so far."""

    rules: VoteRules
    chain_id: Digest
    genesis: Digest
    decided: dict[Height, Digest] = field(default_factory=dict)
    votes: dict[tuple[ValidatorId, Era, bool, View, Height], Digest] = field(default_factory=dict)
    changed: dict[tuple[ValidatorId, Era, View], Digest] = field(default_factory=dict)
    started: dict[tuple[ValidatorId, Era, View], NewViewPayload] = field(default_factory=dict)
    left: dict[tuple[ValidatorId, Era], View] = field(default_factory=dict)
    """View of the last VIEW-CHANGE: everything below it was left."""
    calm: bool = False
    """Whether nothing happens for which an honest validator may leave a view."""
    commits: dict[tuple[ValidatorId, Era], dict[Height, View]] = field(default_factory=dict)
    """Highest view committed at a height."""

    def on_append(self, who: ValidatorId, head: Height, blocks: list[CertifiedBlock]) -> None:
        """Check a batch of final blocks above a head."""
        for certified in blocks:
            header = certified.block.header
            parent = self.decided.get(head, self.genesis)
            head = Height(head + 1)
            digest = Digest(digest_of(header))
            known = self.decided.setdefault(head, digest)
            if (header.height, header.parent) != (head, parent) or known != digest:
                raise Violation(f"agreement: {who} appended {digest.hex()[:8]} at {head}, not {known.hex()[:8]}")
            self._verify(who, certified)
        if blocks[-1].certificate is None:
            raise Violation(f"certificate: {who} appended {len(blocks)} blocks without one for the last")

    def _verify(self, who: ValidatorId, certified: CertifiedBlock) -> None:
        try:
            check_block(certified.block)
        except Refused as error:
            raise Violation(f"body: {who} appended a block: {error}") from error
        try:
            if certified.certificate is not None:
                header = certified.block.header
                check_certificate(certified.certificate, header, self.rules.electorates[header.era], self.chain_id)
        except Refused as error:
            raise Violation(f"certificate: {who} appended a block: {error}") from error

    def on_send(self, who: ValidatorId, message: Message, *, now: float = math.inf) -> None:
        """Check what an honest replica signs, so many seconds after the run began (inf: nobody knows)."""
        match message:
            case Votes() if message.bundle.validator == who:
                for vote in message.bundle.votes:
                    self._on_vote(who, vote)
            case ViewChange() if message.payload.validator == who:
                self._on_view_change(who, message)
                self._check_haste(who, message.payload.view, now)
            case NewView() if message.payload.validator == who:
                start = message.payload
                if self.started.setdefault((who, start.era, start.view), start) != start:
                    raise Violation(f"two changes: {who} signed two NEW-VIEWs for view {start.view}")
            case _:
                pass

    def on_evidence(self, who: ValidatorId, offence: Offence, *, honest: bool) -> None:
        """Check what an honest replica believes of another, which is honest or not."""
        if honest:
            raise Violation(f"framed: {who} believes that {offence.offender} is guilty of {offence}")

    def _check_haste(self, who: ValidatorId, view: View, now: float) -> None:
        if self.calm:
            raise Violation(f"calm: {who} leaves its view for {view}, which Byzantine validators alone want")
        if view > now / TIMING.view + 1:
            raise Violation(f"haste: {who} leaves its view for {view} after {now:.1f} s, the shortest view of 1 s")

    def _on_vote(self, who: ValidatorId, vote: Vote) -> None:
        place = (who, vote.era, vote.kind is VoteKind.COMMIT, vote.view, Height(vote.height))
        if self.votes.setdefault(place, vote.digest) != vote.digest:
            raise Violation(f"contradiction: {who} signed two digests for {place}")
        other_phase = (who, vote.era, not place[2], vote.view, Height(vote.height))
        if self.votes.get(other_phase, vote.digest) != vote.digest:
            raise Violation(f"contradiction: {who} commits another block than it has prepared at {place}")
        left = self.left.get((who, vote.era), View(0))
        if vote.view < left:
            raise Violation(f"left view: {who} votes in {vote.view} after VIEW-CHANGE({left})")
        self.rules.on_vote(who, vote)
        if vote.kind is VoteKind.COMMIT:
            commits = self.commits.setdefault((who, vote.era), {})
            commits[vote.height] = max(vote.view, commits.get(vote.height, View(0)))

    def _on_view_change(self, who: ValidatorId, change: ViewChange) -> None:
        payload = change.payload
        here = (who, payload.era)
        if self.changed.setdefault((*here, payload.view), payload.digest) != payload.digest:
            raise Violation(f"two changes: {who} signed two VIEW-CHANGEs for view {payload.view}")
        self.left[here] = max(payload.view, self.left.get(here, View(0)))
        root = self.rules.electorates[payload.era].root.height
        head = root if payload.certificate is None else payload.certificate.height
        prepared = {certificate.header.height: certificate.view for certificate in payload.prepared}
        for height, view in self.commits.get(here, {}).items():
            above = range(head + 1, height + 1)
            if view < payload.view and any(prepared.get(Height(below), View(-1)) < view for below in above):
                raise Violation(
                    f"omission: {who} committed {height} in view {view}, VIEW-CHANGE({payload.view}) hides it"
                )
