"""Evidence: two things that one validator has signed and that no honest validator signs both.

Each piece stands for itself: whoever knows the validators of its era can judge it. It is made only of what was signed,
never of what somebody says to have heard, so an honest validator cannot be framed by anybody who lacks its key:
`SafetyRules` refuses to sign every pair that convicts here. If two honest validators ever disagree, and a quorum cannot
be had without at least one honest validator, the votes and NEW-VIEWs that the honest ones hold convict at least f+1.

What is no evidence: an invalid certificate inside a VIEW-CHANGE and a NEW-VIEW that does not follow from its view
changes. Every honest replica refuses both, they can break nothing, and to show them takes the certificates themselves,
up to half a megabyte.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias, assert_never

from ledger.encoding import Noun
from ledger.errors import InputError, InvalidEvidence, VerificationFailed
from ledger.hashing import Digest
from ledger.quantities import Era, EraField, Height, HeightField, ValidatorField, ValidatorId, View, ViewField
from ledger.statements import SignedNewView, SignedViewChange, ViewChangeStatement
from ledger.validators import ValidatorSet
from ledger.votes import Vote, VoteKind, VoteProof


class OffenceKind(IntEnum):
    """What a validator has done."""

    PROPOSAL = 1
    """It pre-prepared or prepared two blocks at one height in one view."""
    COMMIT = 2
    """It committed two blocks at one height in one view."""
    PHASES = 3
    """It committed another block than it pre-prepared or prepared in that view."""
    VIEW_CHANGE = 4
    """It sent two different VIEW-CHANGEs for one view."""
    NEW_VIEW = 5
    """It sent two different NEW-VIEWs for one view."""
    AMNESIA = 6
    """It committed a block, and its VIEW-CHANGE for a later view hides that."""


class Offence(Noun, frozen=True, kw_only=True):
    """Name of what a validator has done: the same whichever of its contradictory signatures are shown."""

    offender: ValidatorField
    kind: OffenceKind
    era: EraField
    view: ViewField
    """Of an amnesia, the view to be entered."""
    height: HeightField
    """Zero for a VIEW-CHANGE or NEW-VIEW."""


class SignedVote(Noun, frozen=True, kw_only=True):
    """A vote and its proof."""

    vote: Vote
    proof: VoteProof


class DoubleVote(Noun, frozen=True, kw_only=True, tag=1):
    """Two votes for different blocks at one height in one view; the one of the earlier phase, or lesser digest, first.

    Pre-prepare and prepare count as one phase, and who commits has prepared that very block.
    """

    first: SignedVote
    second: SignedVote


class DoubleViewChange(Noun, frozen=True, kw_only=True, tag=2):
    """Two VIEW-CHANGEs for one view; the one of the lesser digest first."""

    first: SignedViewChange
    second: SignedViewChange


class DoubleNewView(Noun, frozen=True, kw_only=True, tag=3):
    """Two NEW-VIEWs for one view; the one of the lesser digest first."""

    first: SignedNewView
    second: SignedNewView


class Amnesia(Noun, frozen=True, kw_only=True, tag=4):
    """A commit, and a VIEW-CHANGE for a later view that does not show what it rests on.

    Whoever commits h in view u has appended or committed in u every height below, and so holds, at each height above
    its commit certificate up to h, a prepared certificate of u or a later view.
    """

    commit: SignedVote
    view_change: SignedViewChange


Evidence: TypeAlias = DoubleVote | DoubleViewChange | DoubleNewView | Amnesia


@dataclass(frozen=True, slots=True, kw_only=True)
class EraMembers:
    """What evidence of one era is judged by."""

    era: Era
    first_height: Height
    last_height: Height | None
    """Of its boundary block; None while it lasts."""
    validators: ValidatorSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenOffence:
    """An offence with evidence that was verified; whoever holds one needs no further check."""

    offence: Offence
    evidence: Evidence


def era_of(evidence: Evidence) -> Era:
    """Return the era whose validators evidence is to be judged by."""
    match evidence:
        case DoubleVote():
            return evidence.first.vote.era
        case DoubleViewChange() | DoubleNewView():
            return evidence.first.statement.era
        case Amnesia():
            return evidence.commit.vote.era
        case _:
            assert_never(evidence)


def claimed_offence(evidence: Evidence, *, first_height: Height) -> Offence:
    """Return what evidence would prove if its signatures were good; raises InvalidEvidence if it would prove nothing.

    `first_height` is that of the era.
    """
    match evidence:
        case DoubleVote():
            return _double_vote(evidence)
        case DoubleViewChange() | DoubleNewView():
            return _double_statement(evidence)
        case Amnesia():
            return _amnesia(evidence, first_height)
        case _:
            assert_never(evidence)


def verify_evidence(evidence: Evidence, members: EraMembers, *, chain_id: Digest) -> ProvenOffence:
    """Return what evidence proves; raises InvalidEvidence unless it convicts a member of this era."""
    offence = claimed_offence(evidence, first_height=members.first_height)
    if offence.era != members.era:
        raise InvalidEvidence("era of the evidence", expected=members.era, got=offence.era)
    try:
        key = members.validators.vote_key(offence.offender)
        match evidence:
            case DoubleVote():
                for one in (evidence.first, evidence.second):
                    one.proof.verify(one.vote, key, chain_id=chain_id)
            case DoubleViewChange() | DoubleNewView():
                evidence.first.verify(key, chain_id=chain_id)
                evidence.second.verify(key, chain_id=chain_id)
            case Amnesia():
                evidence.commit.proof.verify(evidence.commit.vote, key, chain_id=chain_id)
                evidence.view_change.verify(key, chain_id=chain_id)
            case _:
                assert_never(evidence)
    except (InputError, VerificationFailed) as error:
        raise InvalidEvidence(f"evidence against validator {offence.offender}: {error}") from error
    return ProvenOffence(offence=offence, evidence=evidence)


def double_vote(one: SignedVote, other: SignedVote) -> DoubleVote:
    """Return two contradictory votes in the order that evidence has."""
    first, second = sorted((one, other), key=lambda signed: _phase_and_digest(signed.vote))
    return DoubleVote(first=first, second=second)


def double_view_change(one: SignedViewChange, other: SignedViewChange) -> DoubleViewChange:
    """Return two contradictory VIEW-CHANGEs in the order that evidence has."""
    first, second = sorted((one, other), key=lambda signed: signed.statement.payload)
    return DoubleViewChange(first=first, second=second)


def double_new_view(one: SignedNewView, other: SignedNewView) -> DoubleNewView:
    """Return two contradictory NEW-VIEWs in the order that evidence has."""
    first, second = sorted((one, other), key=lambda signed: signed.statement.payload)
    return DoubleNewView(first=first, second=second)


def is_amnesia(commit: Vote, view_change: ViewChangeStatement, *, first_height: Height) -> bool:
    """Return whether a VIEW-CHANGE hides what its sender has committed in an earlier view of the same era."""
    if commit.kind is not VoteKind.COMMIT or commit.era != view_change.era or commit.view >= view_change.view:
        return False
    head = first_height - 1 if view_change.head is None else view_change.head
    claims = {claim.height: claim for claim in view_change.prepared}
    for height in range(max(head + 1, first_height), commit.height + 1):
        claim = claims.get(Height(height))  # a claim is missing after 64 heights at most
        if claim is None or claim.view < commit.view:
            return True
        if (claim.height, claim.view) == (commit.height, commit.view) and claim.digest != commit.digest:
            return True
    return False


def _double_vote(evidence: DoubleVote) -> Offence:
    one, other = evidence.first, evidence.second
    offender = _offender(one.proof.validator, other.proof.validator)
    places = [(signed.vote.era, signed.vote.view, signed.vote.height) for signed in (one, other)]
    if places[0] != places[1]:
        raise InvalidEvidence("era, view and height of two votes", expected="the same", got=places)
    if one.vote.digest == other.vote.digest:
        raise InvalidEvidence("two votes", expected="for different blocks", got=f"both for {one.vote.digest.hex()}")
    if _phase_and_digest(one.vote) > _phase_and_digest(other.vote):
        raise InvalidEvidence("order of two votes", expected="by phase and digest", got="the other one")
    commits = sum(signed.vote.kind is VoteKind.COMMIT for signed in (one, other))
    kind = (OffenceKind.PROPOSAL, OffenceKind.PHASES, OffenceKind.COMMIT)[commits]
    return _offence(offender, kind, one.vote.era, one.vote.view, one.vote.height)


def _double_statement(evidence: DoubleViewChange | DoubleNewView) -> Offence:
    one, other = evidence.first.statement, evidence.second.statement
    offender = _offender(one.validator, other.validator)
    if (one.era, one.view) != (other.era, other.view):
        raise InvalidEvidence(
            "era and view of two statements", expected=(one.era, one.view), got=(other.era, other.view)
        )
    if one.payload >= other.payload:
        raise InvalidEvidence("two statements", expected="different ones, by digest", got="another order, or the same")
    kind = OffenceKind.VIEW_CHANGE if isinstance(evidence, DoubleViewChange) else OffenceKind.NEW_VIEW
    return _offence(offender, kind, one.era, one.view, Height(0))


def _amnesia(evidence: Amnesia, first_height: Height) -> Offence:
    vote, statement = evidence.commit.vote, evidence.view_change.statement
    offender = _offender(evidence.commit.proof.validator, statement.validator)
    if not is_amnesia(vote, statement, first_height=first_height):
        raise InvalidEvidence(
            f"VIEW-CHANGE({statement.view}) and {vote.kind.name} in view {vote.view}",
            expected=f"a commit at height {vote.height} that it hides",
            got="none that it has to show",
        )
    return _offence(offender, OffenceKind.AMNESIA, vote.era, statement.view, vote.height)


def _offender(one: ValidatorId, other: ValidatorId) -> ValidatorId:
    if one != other:
        raise InvalidEvidence("signer of both sides of evidence", expected=one, got=other)
    return one


def _offence(offender: ValidatorId, kind: OffenceKind, era: Era, view: View, height: Height) -> Offence:
    return Offence(offender=offender, kind=kind, era=era, view=view, height=height)


def _phase_and_digest(vote: Vote) -> tuple[bool, Digest]:
    return vote.kind is VoteKind.COMMIT, vote.digest
