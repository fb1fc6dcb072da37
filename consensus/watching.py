"""Watching the primary: whether it decides what is pending, in time, and whether it is there at all.

Everything here is local and may be wrong about a primary without harm: giving a view up touches no promise, and no
honest replica gives it up alone. Who finds fault complains, and goes on voting; the view is left once f+1 replicas find
fault at the same time. (A replica that left alone would vote no more until the others left too, which may be never: the
fault that the cluster can bear would be used up by one slow process. f liars that complain can still take a slow one
with them. BFT-SMaRt asks for a change in the same way: its STOP.) Who complained goes along with those who left for it.
"""

from consensus import catch_up
from consensus.messages import Complaint, Pong, Status
from consensus.ports import Effects, Moment, Send
from consensus.replica import Replica
from ledger.quantities import Height, ValidatorId

DEADLINES_MAX = 64
"""Pending items whose deadlines are remembered; a decided one never comes back, so the oldest may go."""
LOST_HASTE = 4
"""How much shorter the view timeout is while the connection to the primary is down: a killed process closes it."""
HEARTBEATS_MISSED_MAX = 4
"""Heartbeats that an idle primary may miss; then the view ends before the next transaction has to wait for it."""
COMPLAINT_HEARTBEATS = 4
"""How long a complaint counts; whoever still finds fault repeats it with the heartbeat."""


def watch(replica: Replica, now: Moment) -> None:
    """Run the view timer for the oldest pending item, so that a primary can starve nobody.

    An item that others are put before, and that is then the oldest again, keeps its deadline.
    """
    timers = replica.timers
    if replica.safety.start is None:
        return
    item = None if replica.is_last(replica.head) else replica.application.oldest_pending(now.time)
    replica.pace.watch(item, now.elapsed, appended_at=replica.head_at)
    if item is None:
        timers.view_at = None
        return
    deadline = timers.deadlines.get(item)
    # A deadline that passes while this replica catches up is put off: that is no fault of the primary.
    if deadline is None or (now.elapsed >= deadline and catch_up.is_behind(replica)):
        deadline = timers.deadlines[item] = now.elapsed + replica.pace.view_timeout()
    if len(timers.deadlines) > DEADLINES_MAX:
        del timers.deadlines[next(iter(timers.deadlines))]
    lost_at = timers.lost.get(replica.primary)
    if lost_at is not None:
        deadline = min(deadline, max(lost_at, replica.pace.item_at) + replica.pace.view_timeout() / LOST_HASTE)
    timers.view_at = deadline


def judge(replica: Replica, now: Moment, out: Effects) -> str | None:
    """Return why the view is to be given up, if it is; complain to everybody if others would have to agree first."""
    timers = replica.timers
    fault = _fault(replica, now)
    if fault is None:
        return _why_go_along(replica, now)
    if now.elapsed >= timers.complain_at:
        timers.complain_at = now.elapsed + replica.timing.status
        timers.complaints[replica.id] = (replica.view, now.elapsed)
        out.send.append(Send(message=Complaint(era=replica.context.era, view=replica.view)))
    return fault if len(_complainers(replica, now) | {replica.id}) >= replica.context.validators.weak_quorum else None


def _why_go_along(replica: Replica, now: Moment) -> str | None:
    """Return why a replica that is content again leaves after all: others have left, and its complaint was one reason.

    They count a complaint for a while. Who took it back meanwhile would leave them alone in a view that nobody starts,
    where they vote no more until somebody finds fault again.
    """
    if replica.id not in replica.timers.complaints or not _gone(replica):
        return None
    complainers = _complainers(replica, now)
    together = replica.id in complainers and len(complainers) >= replica.context.validators.weak_quorum
    return "this replica complained, and others have left the view for it" if together else None


def _fault(replica: Replica, now: Moment) -> str | None:
    """Return what this replica holds against the primary of the view that it votes in, or waits for."""
    timers = replica.timers
    if replica.safety.start is None:
        is_late = timers.new_view_at is not None and now.elapsed >= timers.new_view_at
        return "nobody started the view in time" if is_late else None
    if timers.view_at is not None and now.elapsed >= timers.view_at and _is_application_current(replica):
        return "the oldest pending item was not decided"
    if replica.is_primary or replica.is_last(replica.head):
        return None
    if _finds_slow(replica, now):
        return "the primary is slow"
    if timers.view_at is None and _is_primary_alone_silent(replica, now):
        return "the primary is silent"
    return None


def silence(replica: Replica) -> str:
    """Return why this replica votes for nothing now, in words for its operator; nothing if it may vote.

    Nobody leaves a view alone, but the others may be out of reach by then; until they come, it follows the chain.
    """
    safety = replica.safety
    if not safety.may_speak:
        return f"it has to fetch its chain again first: by its vote log it had block {safety.resumes_at}"
    if safety.start is None:
        want, quorum = len(_wanting(replica)), replica.context.validators.quorum
        return (
            f"it has given up view {replica.last_entered} for view {replica.view}, which {want} validators want and "
            f"{quorum} have to; until then it follows the chain"
        )
    return ""


def hear(replica: Replica, sender: ValidatorId, now: Moment) -> None:
    """Note a validator's sign of life."""
    if sender in replica.context.validators:
        replica.timers.heard[sender] = now.elapsed
        replica.timers.lost.pop(sender, None)


def lose(replica: Replica, peer: ValidatorId, now: Moment) -> None:
    """Note that the connection to a peer broke."""
    replica.timers.lost.setdefault(peer, now.elapsed)


def on_complaint(replica: Replica, sender: ValidatorId, complaint: Complaint, now: Moment) -> None:
    """Note who finds fault with which view's primary."""
    replica.timers.complaints[sender] = (complaint.view, now.elapsed)


def answer_heartbeat(replica: Replica, sender: ValidatorId, status: Status, now: Moment, out: Effects) -> None:
    """Let the sender measure the round trip, but not more often than anybody needs to."""
    before = replica.timers.answered.get(sender)
    if status.sent is not None and (before is None or now.elapsed - before >= replica.timing.status / 4):
        replica.timers.answered[sender] = now.elapsed
        out.send.append(Send(message=Pong(sent=status.sent), to=sender))


def on_pong(replica: Replica, sender: ValidatorId, pong: Pong, now: Moment) -> None:
    """Measure the round trip; one that lies outside all that is useful is left out."""
    seconds = now.elapsed - pong.sent / 1e6
    if 0 <= seconds <= replica.timing.view_max:
        replica.pace.on_round_trip(sender, seconds)


def _wanting(replica: Replica) -> set[ValidatorId]:
    """Return who wants the view that this replica is changing to, or a higher one."""
    return {who for view, here in replica.view_changes.items() if view >= replica.view for who in here}


def _finds_slow(replica: Replica, now: Moment) -> bool:
    return replica.pace.is_slow(now.elapsed) and not catch_up.is_behind(replica)


def _complainers(replica: Replica, now: Moment) -> set[ValidatorId]:
    """Return who finds fault with the primary or did lately, or has left its view; this replica too, if it did."""
    since = now.elapsed - COMPLAINT_HEARTBEATS * replica.timing.status
    heard = replica.timers.complaints.items()
    return {peer for peer, (view, at) in heard if view == replica.view and at > since} | _gone(replica)


def _gone(replica: Replica) -> set[ValidatorId]:
    """Return who has left this replica's view."""
    return {who for view, here in replica.view_changes.items() if view > replica.view for who in here}


def _is_application_current(replica: Replica) -> bool:
    """Return whether the head was appended, not only given out in this turn: pending items may be decided in it."""
    head = Height(replica.head.height)
    begun = head in {replica.context.root.height, replica.base}  # where there may be no block to be asked for
    return begun or replica.application.block_at(head) is not None


def _is_primary_alone_silent(replica: Replica, now: Moment) -> bool:
    """Return whether the primary's heartbeat has stopped, while those of a quorum's other members go on.

    Who hears nobody is cut off itself, and has nothing to gain from leaving the view.
    """
    since = now.elapsed - HEARTBEATS_MISSED_MAX * replica.timing.status
    heard = replica.timers.heard
    last = heard.get(replica.primary)
    if last is None or last > since:
        return False
    return sum(at > since for at in heard.values()) >= replica.context.validators.quorum - 1
