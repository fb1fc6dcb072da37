"""Appending: a commit certificate above the head, of any view, in every phase, finalises its block and all ancestors.

Missing bodies are fetched by digest; everything up to the certified block is appended in one sync. With "next height
only" a replica could get stuck for good, since the certificate of the height below need not exist anywhere.
"""

from consensus import accountability, catch_up
from consensus.errors import StateDivergence
from consensus.messages import Choice, Finality
from consensus.ports import Effects, Moment, Send
from consensus.replica import Follower, Replica
from ledger.blocks import BlockHeader
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.errors import InvalidBlock
from ledger.quantities import Height, ValidatorId


def on_finality(replica: Replica, message: Finality) -> None:
    """Remember a peer's certificate if it is of this era and above what is known; raises InvalidCertificate."""
    certificate = message.certificate
    known = replica.head.height if replica.certificate is None else replica.certificate.height
    if certificate.era != replica.context.era:
        return
    if certificate.height <= known:
        accountability.doubt(replica, certificate)
        return
    certificate.verify(replica.context.validators, chain_id=replica.context.chain_id)
    accountability.on_certificate(replica, certificate)
    replica.raise_certificate(certificate)


def answer_late(replica: Replica, to: ValidatorId, now: Moment, out: Effects) -> None:
    """Send the head's certificate to a replica that still votes at or below it, unless it has just been appended."""
    settled = now.elapsed - replica.head_at >= replica.timing.resend / 2
    if replica.head_certificate is not None and settled and to != replica.id:
        out.send.append(Send(message=Finality(certificate=replica.head_certificate), to=to))


def append_certified(replica: Replica, now: Moment, out: Effects) -> None:
    """Append up to the highest certificate below which all bodies are here; ask for those that are missing."""
    quorum = replica.context.validators.quorum
    found = replica.tally.committed(quorum=quorum)
    if found is not None:
        replica.raise_certificate(found)
    certificate = replica.certificate
    while certificate is not None:
        blocks = _blocks_up_to(replica, certificate, now, out)
        if blocks:
            append(replica, blocks, now, out)
            return
        certificate = replica.tally.committed(quorum=quorum, below=certificate.height)


def _blocks_up_to(replica: Replica, certificate: CommitCertificate, now: Moment, out: Effects) -> list[CertifiedBlock]:
    """Return the blocks above the head up to a certified one; none, having asked for it, if a body is missing.

    Those below it get certificates of their own where the votes here make one: a checkpoint needs one.
    """
    quorum = replica.context.validators.quorum
    chain: list[CertifiedBlock] = []
    digest, height = certificate.digest, certificate.height
    while height > replica.head.height:
        block = replica.bodies.get(digest)
        if block is None:
            catch_up.ask_for_missing(replica, digest, certificate, now, out)
            return []
        own = replica.tally.committed_at(height, digest, quorum=quorum) if chain else certificate
        chain.append(CertifiedBlock(block=block, certificate=own))
        digest, height = block.header.parent, Height(block.header.height - 1)
    return chain[::-1]


def append_answered(replica: Replica, now: Moment, out: Effects) -> None:
    """Append what peers have answered, in bounds; raises StateDivergence if a block does not execute here."""
    blocks = catch_up.next_slice(replica)
    if not blocks:
        return
    certificates = [certified.certificate for certified in blocks if certified.certificate is not None]
    for certificate in certificates:
        accountability.recognise_all(replica, certificate)
    append(replica, blocks, now, out)
    for certificate in certificates:
        accountability.on_certificate(replica, certificate)
    catch_up.ask_if_behind(replica, now, out)


def append(replica: Replica, blocks: list[CertifiedBlock], now: Moment, out: Effects) -> None:
    """Execute and append certified blocks that follow the head; raises StateDivergence if one does not execute here."""
    certificate = execute(replica, blocks, now, out)
    _move_head(replica)
    replica.safety.appended(Choice(height=replica.head.height, digest=replica.head.digest), certificate)
    replica.note(out, "appended", f"{len(blocks)} block(s)")


def execute(replica: Follower, blocks: list[CertifiedBlock], now: Moment, out: Effects) -> CommitCertificate:
    """Execute certified blocks that follow the head, and move the head; return the last one's certificate.

    Raises StateDivergence if one does not execute here.
    """
    for certified in blocks:
        header = certified.block.header
        if (header.height, header.parent) != (replica.head.height + 1, replica.head.digest):
            raise StateDivergence(
                f"certified block {header.height}",
                expected=f"parent {replica.head.digest.hex()} at {replica.head.height}",
                got=header.parent.hex(),
            )
        try:
            replica.application.process_proposal(certified.block)
        except InvalidBlock as error:
            raise StateDivergence(f"certified block {header.height} does not execute here: {error}") from error
        replica.head = header
        out.append.append(certified)
    certificate = blocks[-1].certificate
    assert certificate is not None
    replica.head_certificate = certificate
    replica.head_at = now.elapsed
    return certificate


def _move_head(replica: Replica) -> None:
    head = Height(replica.head.height)
    replica.accepted = _above_head(replica)
    replica.bundles = [bundle for bundle in replica.bundles if any(vote.height > head for vote in bundle.votes)]
    replica.refused.clear()
    replica.catch_up.bodies.clear()
    replica.tally.prune(head=head, view=replica.view)
    replica.witness.prune(head)
    replica.bodies.prune(head)
    if replica.certificate is not None and replica.certificate.height <= head:
        replica.certificate = None


def _above_head(replica: Replica) -> dict[Height, BlockHeader]:
    """Return the accepted blocks that still follow from the head; a later view may have decided against the others."""
    following: dict[Height, BlockHeader] = {}
    parent = replica.head
    while (child := replica.accepted.get(Height(parent.height + 1))) is not None and child.parent == parent.digest:
        following[child.height] = parent = child
    return following
