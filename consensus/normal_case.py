"""The normal case (OSDI 1999, 4.2): pre-prepare, prepare, commit, over chained blocks.

`advance` does everything that what is known allows; it is called after each input, so no handler needs to know which
message was the one that had been missing.
"""

from consensus import accountability, catch_up, finality
from consensus.errors import StateDivergence
from consensus.messages import Proposal, Votes
from consensus.ports import Effects, Moment, Send
from consensus.records import BodyRecord, PreparedRecord, PrePrepareRecord
from consensus.replica import Replica
from consensus.tally import VIEWS_AHEAD, VIEWS_BEHIND, WINDOWS_AHEAD
from ledger.blocks import Block, BlockHeader
from ledger.errors import InvalidBlock
from ledger.hashing import Digest
from ledger.quantities import Height, TimeMs, ValidatorId
from ledger.votes import Vote, VoteBundle, VoteKind


def on_votes(replica: Replica, sender: ValidatorId, message: Votes, now: Moment, out: Effects) -> None:
    """Verify a bundle once and count its votes; raises InvalidSignature or InputError."""
    bundle = message.bundle
    if bundle.validator == replica.id:
        return
    bundle.verify(replica.context.validators.vote_key(bundle.validator), chain_id=replica.context.chain_id)
    late = count(replica, bundle)
    if late and sender == bundle.validator:
        finality.answer_late(replica, bundle.validator, now, out)


def count(replica: Replica, bundle: VoteBundle) -> bool:
    """Count the votes of a verified bundle; return whether any was at or below the head.

    Whoever appends a block first goes on at once, so votes for heights just above the window wait here.
    """
    late = False
    lowest, highest = replica.view - VIEWS_BEHIND, replica.view + VIEWS_AHEAD
    height_max = replica.head.height + WINDOWS_AHEAD * replica.context.window
    for vote, proof in bundle.proofs():
        if vote.era != replica.context.era:
            continue
        late = late or vote.height <= replica.head.height
        accountability.remember(replica, vote, proof)
        if replica.head.height < vote.height <= height_max and lowest <= vote.view <= highest:
            replica.tally.add(vote, proof, primary=replica.context.primary(vote.view))
    return late


def advance(replica: Replica, now: Moment, out: Effects) -> None:
    """Append what is certified, vote for what may be voted for, propose what may be proposed."""
    finality.append_certified(replica, now, out)
    if not replica.may_vote:
        return
    for above in replica.window:
        height = Height(replica.head.height + above)
        if height not in replica.accepted and not _accept(replica, height, now, out):
            break  # nothing can be accepted above it, since its child's parent would be unknown
        _commit(replica, height, out)
    _propose_fresh(replica, now, out)


def _accept(replica: Replica, height: Height, now: Moment, out: Effects) -> bool:
    """Vote for the block that this view assigns to a height, once all that can be checked has been checked.

    Return whether it was voted for.
    """
    digest = _assigned(replica, height, out)
    parent = None if digest is None else replica.parent_of(height)
    if digest is None or parent is None:
        return False
    choice = replica.choice_at(height)
    block = replica.bodies.get(digest)
    if block is None:
        catch_up.ask_for_body(replica, digest, now, out, first=replica.primary if choice is None else None)
        return False
    if choice is not None:
        if block.header.parent != parent:
            return False  # a later view has decided otherwise below it, and this replica has appended that
        try:
            replica.application.process_proposal(block)
        except InvalidBlock as error:
            raise StateDivergence(f"block {height} chosen by NEW-VIEW({replica.view}): {error}") from error
    elif _too_early(replica, block, now):
        return False
    else:
        try:
            _check_place(replica, block.header, height, parent)
            replica.application.process_proposal(block)
        except InvalidBlock as error:
            replica.refused.add(digest)
            replica.note(out, "proposal-refused", str(error))
            return False
    _vote_for(replica, block, out)
    return True


def _assigned(replica: Replica, height: Height, out: Effects) -> Digest | None:
    """Return the digest that the primary assigned to a height in this view and that may be voted for."""
    choice = replica.choice_at(height)
    if replica.is_primary:
        return None if choice is None else choice.digest
    cast = replica.tally.pre_prepare(replica.view, height)
    if cast is None or cast[0] in replica.refused:
        return None
    allowed = replica.safety.proposed(height) if choice is None else choice.digest
    if allowed not in {None, cast[0]}:
        replica.refused.add(cast[0])
        replica.note(out, "proposal-refused", f"{allowed.hex()} stands there, primary sent {cast[0].hex()}")
        return None
    return cast[0]


def _too_early(replica: Replica, block: Block, now: Moment) -> bool:
    """Return whether a fresh block's time is still too far ahead of both its parent's and this replica's clock."""
    below = replica.accepted.get(Height(block.header.height - 1), replica.head)
    return block.header.time > max(below.time, now.time + replica.drift_ms)


def _check_place(replica: Replica, header: BlockHeader, height: Height, parent: Digest) -> None:
    """Raise InvalidBlock unless a fresh block stands where the primary has put it, and is the primary's own."""
    context = replica.context
    expected = (height, parent, context.era, context.validators.digest, replica.primary)
    got = (header.height, header.parent, header.era, header.validators, header.proposer)
    if got != expected:
        raise InvalidBlock("height, parent, era, validators, proposer of a fresh block", expected=expected, got=got)


def _vote_for(replica: Replica, block: Block, out: Effects) -> None:
    """Pre-prepare or prepare; the body is durable before the vote leaves."""
    header = block.header
    replica.hold_body(block)
    replica.accepted[header.height] = header
    out.persist.append(BodyRecord(block=block))
    out.seal = True
    if replica.is_primary:
        replica.safety.pre_prepare(header)
        out.send.append(Send(message=Proposal(block=block)))
        return
    cast = replica.tally.pre_prepare(replica.view, header.height)
    assert cast is not None
    vote = Vote(
        kind=VoteKind.PRE_PREPARE,
        era=replica.context.era,
        view=replica.view,
        height=header.height,
        digest=header.digest,
    )
    out.persist.append(PrePrepareRecord(vote=vote, proof=cast[1]))
    replica.safety.prepare(header)


def _commit(replica: Replica, height: Height, out: Effects) -> None:
    """Keep a prepared certificate as soon as there is one, and commit as soon as the prefix rule allows."""
    header = replica.accepted[height]
    if replica.safety.committed(height):
        return
    held = replica.safety.prepared(height)
    if held is None or held.view != replica.view:
        certificate = replica.tally.prepared(replica.view, header, quorum=replica.context.validators.quorum)
        if certificate is None:
            return
        replica.safety.hold(certificate)
        out.persist.append(PreparedRecord(certificate=certificate))
    if replica.safety.may_commit(header):
        replica.safety.commit(header)
        out.seal = True


def _propose_fresh(replica: Replica, now: Moment, out: Effects) -> None:
    """As primary, propose new blocks up to the window, after everything that NEW-VIEW carried over."""
    if not replica.is_primary:
        return
    assert replica.safety.start is not None
    last_choice = max((choice.height for choice in replica.safety.start.choices), default=Height(0))
    while True:
        tip = max(replica.accepted.values(), key=lambda header: header.height, default=replica.head)
        full = tip.height >= replica.head.height + replica.context.window
        if full or tip.height < last_choice or replica.is_last(tip):
            return
        if replica.safety.proposed(Height(tip.height + 1)) is not None:
            return
        if not replica.application.has_work(tip.digest, now.time):
            return
        time = TimeMs(max(tip.time, now.time))
        block = replica.application.prepare_proposal(tip.digest, time=time, proposer=replica.id)
        _vote_for(replica, block, out)
