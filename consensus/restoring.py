"""Coming back after a crash: what was signed is resent, never made again."""

from collections.abc import Sequence

from consensus import accountability
from consensus.normal_case import count
from consensus.records import (
    BodyRecord,
    CutRecord,
    EnteredRecord,
    PreparedRecord,
    PrePrepareRecord,
    Record,
    VotesRecord,
    era_of,
)
from consensus.replica import Replica
from ledger.errors import InvalidBlock
from ledger.quantities import Height


def restore(replica: Replica, records: Sequence[Record]) -> None:
    """Come back to where the vote log says this replica was; what was signed is resent, never made again."""
    bundles = replica.safety.restore(records)
    _look_for_forgotten(replica, records)
    records = [record for record in records if era_of(record) == replica.context.era]
    own, start = replica.safety.view_change, replica.safety.start
    if own is not None and start is None:
        replica.view_changes[replica.view] = {replica.id: own}
    if start is not None and start.certificate is not None:
        replica.raise_certificate(start.certificate)
    for record in records:
        _remember(replica, record)
        if isinstance(record, EnteredRecord):
            replica.entered = (record.new_view, record.view_changes)
            replica.last_entered = record.new_view.payload.view
        elif isinstance(record, BodyRecord) and record.block.header.height > replica.head.height:
            replica.hold_body(record.block)
        elif isinstance(record, PrePrepareRecord) and record.vote.height > replica.head.height:
            replica.tally.add(record.vote, record.proof, primary=replica.context.primary(record.vote.view))
    for bundle in bundles:
        count(replica, bundle)
        if any(vote.height > replica.head.height and vote.view == replica.view for vote in bundle.votes):
            replica.bundles.append(bundle)
    if not replica.safety.may_speak:
        replica.bundles.clear()  # one that has to fetch its chain again has nothing in flight
    _restore_accepted(replica)


def _look_for_forgotten(replica: Replica, records: Sequence[Record]) -> None:
    """Look for our own vote in the head's certificate: a log with neither that nor a cut above it is an older copy."""
    certificate = replica.head_certificate
    if certificate is None or all(proof.validator != replica.id for proof in certificate.commits):
        return
    vote = accountability.vote_of(certificate)
    is_here = any(vote in record.votes for record in records if isinstance(record, VotesRecord))
    cut = max((record.height for record in records if isinstance(record, CutRecord)), default=0)
    if not is_here and cut < vote.height:
        replica.forgotten = vote


def _remember(replica: Replica, record: Record) -> None:
    """Remember what others have signed, so that they are found out after a restart too."""
    if isinstance(record, EnteredRecord):
        for change in record.view_changes:
            accountability.on_view_change(replica, change)
    elif isinstance(record, PreparedRecord):
        accountability.on_prepared(replica, record.certificate)
    elif isinstance(record, PrePrepareRecord):
        accountability.remember(replica, record.vote, record.proof)


def _restore_accepted(replica: Replica) -> None:
    """Go on with what was voted for in the current view, as far as it follows from the head and executes."""
    for above in replica.window:
        height = Height(replica.head.height + above)
        digest = replica.safety.proposed(height)
        block = None if digest is None else replica.bodies.get(digest)
        if block is None or block.header.parent != replica.parent_of(height):
            return
        try:
            replica.application.process_proposal(block)
        except InvalidBlock:
            return
        replica.accepted[height] = block.header
