"""Catching up: blocks with certificates from peers, verified before anything is believed.

Peers' heights are hints that may not fall; one peer is asked at a time and the next one once it has been silent.
"""

from itertools import pairwise, takewhile

from consensus.bodies import ASKED_MAX, check_body
from consensus.messages import (
    BLOCKS_ASKED,
    BLOCKS_MAX,
    Blocks,
    FetchBlocks,
    FetchBody,
    FetchNewView,
    Proposal,
    Status,
)
from consensus.ports import Effects, Moment, Send
from consensus.replica import Follower, Question, Replica
from consensus.tally import WINDOWS_AHEAD
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.errors import InvalidBlock
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId

ANSWER_BYTES_MAX = 8 * 2**20
"""Most bytes of transactions in an answer that could also be shorter."""
CONFIRMATION_HEARTBEATS = 5
"""How long others have to confirm that this replica is far behind, before blocks are asked for after all."""
SLICE_TRANSACTIONS = 500
"""Most transactions of an answer that are executed in one turn; votes and timers have theirs in between."""
PATIENCE_MAX = 8.0
"""Bound on the doublings of `Timing.fetch` for whoever does not answer."""


def on_status(replica: Replica, sender: ValidatorId, status: Status, now: Moment, out: Effects) -> None:
    """Take a peer's hints: who is ahead, be it in a later era, and which view is active in this one."""
    state = replica.catch_up
    note_head(replica, sender, status.head)
    state.bases[sender] = status.base
    asked_at = state.new_views.get(sender)
    due = asked_at is None or now.elapsed - asked_at >= replica.timing.fetch
    if due and status.era == replica.context.era and replica.may_enter(status.view):
        state.new_views[sender] = now.elapsed
        out.send.append(Send(message=FetchNewView(era=status.era, view=status.view), to=sender))
    ask_if_behind(replica, now, out)


def note_head(replica: Follower, sender: ValidatorId, head: Height) -> None:
    """Remember how high a validator's head is, as it says or its vote shows; such hints never fall."""
    state = replica.catch_up
    state.heads[sender] = max(head, state.heads.get(sender, Height(0)))
    state.highest = max(head, state.highest)


def certain_head(replica: Follower) -> Height:
    """Return the greatest height that so many peers claim to have reached that one of them is honest; ours at least."""
    claimed = sorted(replica.catch_up.heads.values(), reverse=True)
    needed = replica.context.validators.weak_quorum
    return max(Height(replica.head.height), claimed[needed - 1] if len(claimed) >= needed else Height(0))


def is_behind(replica: Follower) -> bool:
    """Return whether something is known to be decided that is not appended here: that is no fault of the primary.

    Its certificate says so, or so many peers claim a higher head that one of them is honest; heartbeats may come later
    than a view ends.
    """
    head, state = replica.head.height, replica.catch_up
    return state.certified > head or (state.highest > head and certain_head(replica) > head)


def serving(replica: Follower) -> list[ValidatorId]:
    """Return the peers that claim a higher head and the block after ours; a peer that joined later may lack it."""
    head, state = replica.head.height, replica.catch_up
    return [peer for peer, claimed in sorted(state.heads.items()) if claimed > head >= state.bases.get(peer, 0)]


def ask_if_behind(replica: Follower, now: Moment, out: Effects) -> None:
    """Ask the next peer that claims a higher head for blocks, unless one is being asked or votes are about to do.

    From further behind than is worth it, nobody is asked: a snapshot is being fetched.
    """
    state = replica.catch_up
    if state.verified or _leaves_it_to_a_snapshot(replica, now) or state.highest <= replica.head.height:
        return
    ahead = serving(replica)
    last = None if state.asked is None else state.blocks.get(state.asked)
    waiting = last is not None and now.elapsed - last.at < replica.timing.fetch
    far = any(state.heads[peer] > replica.head.height + replica.context.window for peer in ahead)
    ready = [peer for peer in ahead if peer not in state.blocks or state.blocks[peer].is_due(now.elapsed)]
    if not ready or waiting or (not far and now.elapsed - replica.head_at < replica.timing.fetch):
        return
    after = [peer for peer in ready if state.asked is not None and peer > state.asked]
    peer = (after or ready)[0]
    state.asked, state.blocks[peer] = peer, _asked(replica, state.blocks.get(peer), now)
    message = FetchBlocks(start=Height(replica.head.height + 1), count=BLOCKS_ASKED)
    out.send.append(Send(message=message, to=peer))


def _leaves_it_to_a_snapshot(replica: Follower, now: Moment) -> bool:
    """Return whether this replica is too far behind for blocks, or might be, as a peer says that is heard first."""
    state, most = replica.catch_up, replica.catch_up.blocks_behind_max
    if most is None or state.highest <= replica.head.height + most:
        state.far_at = None
        return False
    if state.far_at is None:
        state.far_at = now.elapsed
    waits = now.elapsed - state.far_at < CONFIRMATION_HEARTBEATS * replica.timing.status
    return waits or certain_head(replica) > replica.head.height + most


def ask_for_missing(
    replica: Replica, digest: Digest, certificate: CommitCertificate, now: Moment, out: Effects
) -> None:
    """Ask for a body that a verified certificate needs; from far behind, for blocks from the head on.

    Whoever commits has appended all but a window below, so that its signers can be asked before they tell their heads.
    """
    window = replica.context.window
    replica.catch_up.certified = max(certificate.height, replica.catch_up.certified)
    if certificate.height > replica.head.height + window:
        for commit in certificate.commits:
            if commit.validator != replica.id:
                note_head(replica, commit.validator, Height(certificate.height - window))
        ask_if_behind(replica, now, out)
    else:
        ask_for_body(replica, digest, now, out, first=None)


def ask_for_body(replica: Replica, digest: Digest, now: Moment, out: Effects, *, first: ValidatorId | None) -> None:
    """Ask for a body by digest: first the one that must have it, if any must, then everybody."""
    before = replica.catch_up.bodies.get(digest)
    if before is None or before.is_due(now.elapsed):
        replica.catch_up.bodies[digest] = _asked(replica, before, now)
        if len(replica.catch_up.bodies) > ASKED_MAX:  # what is still needed is asked for again
            del replica.catch_up.bodies[next(iter(replica.catch_up.bodies))]
        out.send.append(Send(message=FetchBody(digest=digest), to=first if before is None else None))


def _asked(replica: Follower, before: Question | None, now: Moment) -> Question:
    fetch = replica.timing.fetch
    patience = fetch if before is None else min(2 * before.patience, PATIENCE_MAX * fetch)
    return Question(at=now.elapsed, patience=patience)


def on_fetch_blocks(replica: Follower, sender: ValidatorId, request: FetchBlocks, out: Effects) -> None:
    """Answer with blocks from a height on, up to the last one within limits that has a certificate of its own.

    The first one that has goes with all below it in any case: a shorter answer would lead nowhere.
    """
    found: list[CertifiedBlock] = []
    size = ends = 0
    while request.count and len(found) < BLOCKS_MAX:
        certified = replica.application.block_at(Height(request.start + len(found)))
        if certified is None:
            break
        size += sum(len(transaction) for transaction in certified.block.transactions)
        if ends and (len(found) >= request.count or size > ANSWER_BYTES_MAX):
            break
        found.append(certified)
        if certified.certificate is not None:
            ends = len(found)
    if ends:
        out.send.append(Send(message=Blocks(blocks=tuple(found[:ends])), to=sender))


def take_in(replica: Follower, sender: ValidatorId, answer: Blocks) -> None:
    """Verify the blocks of an answer that follow the head, and keep them for `next_slice`, if that peer was asked.

    Blocks of a later era are left for that era's engine; the last one of an era has a certificate of its own. Raises
    InvalidBlock or InvalidCertificate: then the peer has had its turn all the same.
    """
    if replica.catch_up.blocks.pop(sender, None) is None:
        return
    headers = [certified.block.header for certified in answer.blocks]
    for parent, child in pairwise(headers):
        if (child.height, child.parent) != (parent.height + 1, parent.digest):
            raise InvalidBlock("chain of an answer", expected=f"a child of block {parent.height}", got=child.height)
    own_era = takewhile(lambda certified: certified.block.header.era == replica.context.era, answer.blocks)
    new = [certified for certified in own_era if certified.block.header.height > replica.head.height]
    if not new:
        return
    first = new[0].block.header
    if (first.height, first.parent) != (replica.head.height + 1, replica.head.digest):
        raise InvalidBlock("first block of an answer", expected=f"child of {replica.head.height}", got=first.height)
    if new[-1].certificate is None:
        raise InvalidBlock("last block of an answer", expected="a commit certificate", got="none")
    for certified in new:
        check_body(certified.block)
        if certified.certificate is not None:
            certified.certificate.verify_for(
                certified.block.header, replica.context.validators, chain_id=replica.context.chain_id
            )
    if len(new) > len(replica.catch_up.verified):
        replica.catch_up.verified = new


def next_slice(replica: Follower) -> list[CertifiedBlock]:
    """Return verified blocks to be appended now, the last one with a certificate; the rest waits for the next turn.

    An answer of many full blocks takes seconds to execute, and who votes must not fall silent for so long.
    """
    state = replica.catch_up
    if not state.verified:
        return []
    waiting = [certified for certified in state.verified if certified.block.header.height > replica.head.height]
    transactions, ends = 0, 0
    for place, certified in enumerate(waiting, 1):
        transactions += len(certified.block.transactions)
        if ends and transactions > SLICE_TRANSACTIONS:
            break
        if certified.certificate is not None:
            ends = place
    state.verified = waiting[ends:]
    return waiting[:ends]


def on_fetch_body(replica: Replica, sender: ValidatorId, request: FetchBody, out: Effects) -> None:
    """Answer with the body of a block in flight, of the head, or of the block that ended the last era."""
    block = replica.bodies.get(request.digest) or appended_body(replica, request.digest)
    if block is not None:
        out.send.append(Send(message=Proposal(block=block), to=sender))


def appended_body(replica: Follower, digest: Digest) -> Block | None:
    """Return the head, or the block that ended the last era, if that is its digest."""
    root = replica.context.root
    for height, known in ((replica.head.height, replica.head.digest), (root.height, root.digest)):
        if digest == known:
            certified = replica.application.block_at(Height(height))
            return None if certified is None else certified.block
    return None


def on_proposal(replica: Replica, sender: ValidatorId, proposal: Proposal) -> None:
    """Keep a body that was asked for or may be needed soon; raises InvalidBlock if it is not that of its header."""
    block = proposal.block
    digest, height = block.digest, block.header.height
    if height <= replica.head.height or replica.bodies.get(digest) is not None:
        return
    check_body(block)
    if digest in replica.catch_up.bodies:
        replica.bodies.keep(block)
    elif height <= replica.head.height + WINDOWS_AHEAD * replica.context.window:
        replica.bodies.keep_early(sender, block)
