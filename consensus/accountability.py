"""Finding out who has signed a contradiction, and telling everybody, once.

Who sees a colleague prepare another block than the primary has proposed here sends it what was heard at that place:
one of them then holds the primary's two proposals. Whoever holds evidence sends it to all; and once a primary is known
to have proposed two blocks at a place, everybody lays open what it has heard there, so that those who helped are found.
"""

from consensus.messages import Accusation, Heard, NewView, ViewChange
from consensus.ports import Effects, Send
from consensus.replica import Replica
from consensus.tally import VIEWS_AHEAD, WINDOWS_AHEAD
from consensus.witness import HEIGHTS_BEHIND
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.evidence import OffenceKind, claimed_offence, era_of, verify_evidence
from ledger.keys import PublicKey
from ledger.quantities import Height, ValidatorId, View
from ledger.votes import Vote, VoteKind, VoteProof


def remember(replica: Replica, vote: Vote, proof: VoteProof) -> None:
    """Remember a verified vote if it is near enough."""
    recognise(replica, vote, proof)
    if _is_near(replica, vote):
        replica.witness.on_vote(vote, proof, primary=replica.context.primary(vote.view))


def recognise(replica: Replica, vote: Vote, proof: VoteProof) -> None:
    """Note a verified vote by our own key that our vote log does not hold: then the log is not the whole one.

    Of heights up to the head nothing is known, since their records may have been cut, nor before what the log shows to
    have been here is here again (S12).
    """
    own = proof.validator == replica.id and vote.era == replica.context.era
    if own and vote.height > replica.head.height and replica.safety.may_speak and not replica.safety.knows(vote):
        replica.forgotten = replica.forgotten or vote


def recognise_all(replica: Replica, certificate: CommitCertificate) -> None:
    """Look for our own vote in a verified certificate whose block is about to be appended."""
    for proof in certificate.commits:
        recognise(replica, vote_of(certificate), proof)


def on_accusation(replica: Replica, accusation: Accusation) -> None:
    """Keep a peer's evidence if it is news; raises InvalidEvidence."""
    witness = replica.witness
    if era_of(accusation.evidence) != replica.context.era:
        return
    offence = claimed_offence(accusation.evidence, first_height=witness.members.first_height)
    if witness.is_news(offence):
        proven = verify_evidence(accusation.evidence, witness.members, chain_id=replica.context.chain_id)
        witness.on_evidence(proven)


def on_heard(replica: Replica, heard: Heard) -> None:
    """Compare what a peer has heard with what was heard here; raises InputError, InvalidProof, InvalidSignature."""
    for signed in heard.votes:
        vote, proof = signed.vote, signed.proof
        if _is_near(replica, vote) and not replica.witness.knows(proof.validator, vote):
            _verify(replica, vote, proof)
            remember(replica, vote, proof)


def on_view_change(replica: Replica, change: ViewChange) -> None:
    """Remember a VIEW-CHANGE, also one that comes too late to matter otherwise; raises InvalidSignature."""
    signed = change.signed
    if not replica.witness.knows_view_change(signed):
        signed.verify(_key(replica, signed.statement.validator), chain_id=replica.context.chain_id)
        replica.witness.on_view_change(signed)


def on_new_view(replica: Replica, new_view: NewView) -> None:
    """Remember a NEW-VIEW, also one that comes too late to matter otherwise; raises InvalidSignature."""
    signed = new_view.signed
    if not replica.witness.knows_new_view(signed):
        signed.verify(_key(replica, signed.statement.validator), chain_id=replica.context.chain_id)
        replica.witness.on_new_view(signed)


def on_prepared(replica: Replica, certificate: PreparedCertificate) -> None:
    """Remember the votes of a verified prepared certificate."""
    header = certificate.header
    prepare = Vote(
        kind=VoteKind.PREPARE, era=header.era, view=certificate.view, height=header.height, digest=header.digest
    )
    proposal = Vote(
        kind=VoteKind.PRE_PREPARE, era=header.era, view=certificate.view, height=header.height, digest=header.digest
    )
    remember(replica, proposal, certificate.pre_prepare)
    for proof in certificate.prepares:
        remember(replica, prepare, proof)


def on_certificate(replica: Replica, certificate: CommitCertificate) -> None:
    """Remember the votes of a verified commit certificate."""
    vote = vote_of(certificate)
    for proof in certificate.commits:
        remember(replica, vote, proof)


def doubt(replica: Replica, certificate: CommitCertificate) -> None:
    """Look into a certificate that is needed no more, as far as it contradicts what was heard here.

    Raises InputError, InvalidProof, InvalidSignature.
    """
    vote = vote_of(certificate)
    if not _is_near(replica, vote):
        return
    for proof in certificate.commits:
        if replica.witness.is_contradicted(proof.validator, vote):
            _verify(replica, vote, proof)
            remember(replica, vote, proof)


def report(replica: Replica, out: Effects) -> None:
    """Tell everybody of the offences that were found, and whoever was told something else what was heard here."""
    while replica.witness.has_news:
        fresh, splits = replica.witness.take()
        for proven in fresh:
            offence = proven.offence
            out.evidence.append(proven)
            out.send.append(Send(message=Accusation(evidence=proven.evidence)))
            where = f"in view {offence.view} at height {offence.height}"
            replica.note(out, "equivocation", f"validator {offence.offender}: {offence.kind.name} {where}")
            if offence.kind is OffenceKind.PROPOSAL:
                _tell_heard(replica, offence.view, offence.height, None, out)
        for who, view, height in splits:
            if who != replica.id:
                _tell_heard(replica, view, height, who, out)


def _tell_heard(replica: Replica, view: View, height: Height, to: ValidatorId | None, out: Effects) -> None:
    votes = tuple(replica.witness.slot(view, height))
    if votes:
        out.send.append(Send(message=Heard(votes=votes), to=to))


def vote_of(certificate: CommitCertificate) -> Vote:
    """Return the vote that a commit certificate's signatures are of."""
    return Vote(
        kind=VoteKind.COMMIT,
        era=certificate.era,
        view=certificate.view,
        height=certificate.height,
        digest=certificate.digest,
    )


def _is_near(replica: Replica, vote: Vote) -> bool:
    head = replica.head.height
    highest = head + WINDOWS_AHEAD * replica.context.window
    near = head - HEIGHTS_BEHIND < vote.height <= highest and vote.view <= replica.view + VIEWS_AHEAD
    return near and vote.era == replica.context.era


def _verify(replica: Replica, vote: Vote, proof: VoteProof) -> None:
    proof.verify(vote, _key(replica, proof.validator), chain_id=replica.context.chain_id)


def _key(replica: Replica, who: ValidatorId) -> PublicKey:
    return replica.context.validators.vote_key(who)
