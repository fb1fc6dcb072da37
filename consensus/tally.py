"""Verified votes above the appended head, counted by view and height.

One vote of each kind counts per validator and slot, the first; a different second one is equivocation, which `witness`
finds. What is kept is bounded: heights within the window, views near the current one.
"""

from dataclasses import dataclass, field

from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.hashing import Digest
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteKind, VoteProof

WINDOWS_AHEAD = 2
"""Windows above the head whose votes are kept: the one in flight, and the next one for who appends a little later."""
VIEWS_BEHIND = 4
"""Views below the current one whose commits may still complete a certificate."""
VIEWS_AHEAD = 8
"""Views above it whose votes are kept for when it is entered."""

Cast = tuple[Digest, VoteProof]


@dataclass(slots=True)
class Slot:
    """Votes of one view at one height."""

    pre_prepare: Cast | None = None
    prepares: dict[ValidatorId, Cast] = field(default_factory=dict)
    commits: dict[ValidatorId, Cast] = field(default_factory=dict)


class Tally:
    """All slots of an era that may still matter."""

    def __init__(self, era: Era) -> None:
        self._era = era
        self._slots: dict[tuple[View, Height], Slot] = {}

    def add(self, vote: Vote, proof: VoteProof, *, primary: ValidatorId) -> bool:
        """Count a verified vote; False if that validator's vote is there already or may not count."""
        slot = self._slots.setdefault((vote.view, vote.height), Slot())
        who = proof.validator
        if vote.kind is VoteKind.PRE_PREPARE:
            if who != primary:
                return False
            earlier = slot.pre_prepare
            if earlier is None:
                slot.pre_prepare = (vote.digest, proof)
        else:
            if vote.kind is VoteKind.PREPARE and who == primary:
                return False
            cast = slot.prepares if vote.kind is VoteKind.PREPARE else slot.commits
            earlier = cast.get(who)
            if earlier is None:
                cast[who] = (vote.digest, proof)
        return earlier is None

    def pre_prepare(self, view: View, height: Height) -> Cast | None:
        """Return the digest that the primary of `view` assigned to `height`, with its proof."""
        slot = self._slots.get((view, height))
        return None if slot is None else slot.pre_prepare

    def prepared(self, view: View, header: BlockHeader, *, quorum: int) -> PreparedCertificate | None:
        """Return the prepared certificate for a block in a view, once there is one."""
        slot = self._slots.get((view, header.height))
        digest = header.digest
        if slot is None or slot.pre_prepare is None or slot.pre_prepare[0] != digest:
            return None
        if len(slot.prepares) < quorum - 1:
            return None
        prepares = _matching(slot.prepares, digest)[: quorum - 1]
        if len(prepares) < quorum - 1:
            return None
        return PreparedCertificate(header=header, view=view, pre_prepare=slot.pre_prepare[1], prepares=prepares)

    def committed(self, *, quorum: int, below: Height | None = None) -> CommitCertificate | None:
        """Return a commit certificate for the greatest height (below another one) that has one, of whatever view."""
        crowded = [place for place, slot in self._slots.items() if len(slot.commits) >= quorum]
        for view, height in sorted(crowded, key=lambda place: (place[1], place[0]), reverse=True):
            slot = self._slots[view, height]
            if below is not None and height >= below:
                continue
            for digest in sorted({digest for digest, _ in slot.commits.values()}):
                certificate = self._certificate(view, height, digest, quorum=quorum)
                if certificate is not None:
                    return certificate
        return None

    def committed_at(self, height: Height, digest: Digest, *, quorum: int) -> CommitCertificate | None:
        """Return a commit certificate for this block itself, of the greatest view that has one."""
        crowded = [view for (view, at), slot in self._slots.items() if at == height and len(slot.commits) >= quorum]
        found = (self._certificate(view, height, digest, quorum=quorum) for view in sorted(crowded, reverse=True))
        return next((certificate for certificate in found if certificate is not None), None)

    def _certificate(self, view: View, height: Height, digest: Digest, *, quorum: int) -> CommitCertificate | None:
        commits = _matching(self._slots[view, height].commits, digest)[:quorum]
        if len(commits) < quorum:
            return None
        return CommitCertificate(era=self._era, view=view, height=height, digest=digest, commits=commits)

    def prune(self, *, head: Height, view: View) -> None:
        """Forget slots that were appended and views that are long past."""
        for place in [place for place in self._slots if place[1] <= head or place[0] < view - VIEWS_BEHIND]:
            del self._slots[place]


def _matching(cast: dict[ValidatorId, Cast], digest: Digest) -> tuple[VoteProof, ...]:
    return tuple(cast[who][1] for who in sorted(cast) if cast[who][0] == digest)
