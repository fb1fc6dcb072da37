"""Changing the view (OSDI 1999, 4.4 and 4.5.2): give up, join, start, enter.

f+1 view changes for higher views: join the smallest of them at once, so Byzantine replicas alone can neither move the
view nor keep it. The new-view timer is armed only after a quorum of view changes and doubles for each failed view;
those for later views count too, since a validator repeats only its last one, and the earlier one may have been lost.
"""

from consensus import accountability
from consensus.messages import FetchNewView, FetchViewChanges, Finality, NewView, ViewChange
from consensus.new_view import verify_view_change
from consensus.ports import Effects, Moment, Send
from consensus.records import EnteredRecord, ViewChangeRecord
from consensus.replica import PendingNewView, Replica
from ledger.errors import InputError, InvalidCertificate, VerificationFailed
from ledger.hashing import Digest
from ledger.quantities import ValidatorId, View

VIEWS_KEPT_MAX = 4
"""View changes kept per validator: its highest ones."""


def give_up(replica: Replica, view: View, why: str, now: Moment, out: Effects) -> None:
    """Leave the current view for `view`."""
    change = replica.safety.give_up(view)
    replica.leave_view()
    replica.pace.failures += 1
    out.persist.append(ViewChangeRecord(view_change=change))
    out.send.append(Send(message=change))
    replica.note(out, "view-change", why)
    _keep(replica, change)
    consider(replica, now, out)


def on_view_change(replica: Replica, sender: ValidatorId, change: ViewChange, now: Moment, out: Effects) -> None:
    """Verify and keep a peer's view change; answer one that is late. Raises InvalidCertificate or InvalidSignature."""
    payload = change.payload
    if payload.era != replica.context.era or payload.validator == replica.id:
        return
    accountability.on_view_change(replica, change)
    if not replica.may_enter(payload.view):
        if sender == payload.validator:
            answer_with_new_view(replica, sender, out)
        return
    digest = payload.digest
    waiting = [pending for pending in replica.pending.values() if digest in pending.missing]
    known = payload.validator in replica.view_changes.get(payload.view, {})
    if known and not waiting:
        return
    verify_view_change(replica.context, change)
    _remember(replica, change)
    for pending in waiting:
        pending.changes[digest] = change
    if not known:
        _keep(replica, change)
    consider(replica, now, out)


def on_new_view(replica: Replica, sender: ValidatorId, new_view: NewView, now: Moment, out: Effects) -> None:
    """Keep a NEW-VIEW until its view changes are here; raises InvalidCertificate or InvalidSignature."""
    payload = new_view.payload
    if payload.era != replica.context.era:
        return
    accountability.on_new_view(replica, new_view)
    if not replica.may_enter(payload.view):
        return
    primary = replica.context.primary(payload.view)
    if payload.validator != primary:
        raise InvalidCertificate(f"sender of NEW-VIEW({payload.view})", expected=primary, got=payload.validator)
    known = replica.pending.get(primary)
    if known is not None and (known.view > payload.view or known.new_view == new_view):
        return
    new_view.verify_signature(replica.context.validators.vote_key(primary), chain_id=replica.context.chain_id)
    here = _by_digest(replica)
    changes = {digest: here[digest] for digest in payload.view_changes if digest in here}
    pending = PendingNewView(new_view=new_view, changes=changes)
    replica.pending[primary] = pending
    if pending.missing:
        out.send.append(Send(message=FetchViewChanges(digests=pending.missing), to=sender))
    else:
        consider(replica, now, out)


def consider(replica: Replica, now: Moment, out: Effects) -> None:
    """Act on the view changes that are here: enter, join, arm the timer, or start the view."""
    if _enter_pending(replica, out) or _join(replica, now, out):
        return
    if replica.safety.start is not None:
        return
    quorum = replica.context.validators.quorum
    changing = {who for view, here in replica.view_changes.items() if view >= replica.view for who in here}
    if replica.timers.new_view_at is None and len(changing) >= quorum:
        replica.timers.new_view_at = now.elapsed + replica.pace.view_timeout()
    here = replica.view_changes.get(replica.view, {})
    if replica.is_primary and len(here) >= quorum:
        changes = tuple(here[who] for who in sorted(here)[:quorum])
        new_view = replica.safety.announce(changes)
        _enter(replica, new_view, changes, out)
        out.send.append(Send(message=new_view))


def answer_with_new_view(replica: Replica, to: ValidatorId, out: Effects) -> None:
    """Send what started the active view, and the head's certificate; its view changes only when asked for.

    (An own VIEW-CHANGE sent unasked would be late for a peer that has entered too, and be answered in turn, for ever.)
    """
    if replica.entered is not None:
        out.send.append(Send(message=replica.entered[0], to=to))
    if replica.head_certificate is not None:
        out.send.append(Send(message=Finality(certificate=replica.head_certificate), to=to))


def on_fetch_new_view(replica: Replica, sender: ValidatorId, request: FetchNewView, out: Effects) -> None:
    """Answer with the NEW-VIEW of the last view entered, if that is the one asked for or a later one."""
    if request.era == replica.context.era and replica.last_entered >= request.view:
        answer_with_new_view(replica, sender, out)


def on_fetch_view_changes(replica: Replica, sender: ValidatorId, request: FetchViewChanges, out: Effects) -> None:
    """Answer with those of the named view changes that are here."""
    by_digest = _by_digest(replica)
    for digest in dict.fromkeys(request.digests):
        change = by_digest.get(digest)
        if change is not None:
            out.send.append(Send(message=change, to=sender))


def ask_for_view_changes(replica: Replica, out: Effects) -> None:
    """Ask everybody for the missing view changes that pending NEW-VIEWs name; whoever sent those did not answer."""
    for pending in replica.pending.values():
        out.send.append(Send(message=FetchViewChanges(digests=pending.missing)))


def _by_digest(replica: Replica) -> dict[Digest, ViewChange]:
    changes = [change for here in replica.view_changes.values() for change in here.values()]
    if replica.entered is not None:
        changes += replica.entered[1]
    return {change.payload.digest: change for change in changes}


def _remember(replica: Replica, change: ViewChange) -> None:
    """Compare the votes that a verified view change carries with those heard here."""
    if change.payload.certificate is not None:
        accountability.on_certificate(replica, change.payload.certificate)
    for prepared in change.payload.prepared:
        accountability.on_prepared(replica, prepared)


def _keep(replica: Replica, change: ViewChange) -> None:
    who = change.payload.validator
    replica.view_changes.setdefault(change.payload.view, {})[who] = change
    views = sorted(view for view, here in replica.view_changes.items() if who in here)
    for view in views[:-VIEWS_KEPT_MAX]:
        del replica.view_changes[view][who]
        if not replica.view_changes[view]:
            del replica.view_changes[view]


def _enter_pending(replica: Replica, out: Effects) -> bool:
    """Enter by a NEW-VIEW whose view changes are all here; drop one that does not follow from them."""
    for pending in list(replica.pending.values()):
        if pending.missing:
            continue
        payload = pending.new_view.payload
        del replica.pending[payload.validator]
        try:
            _enter(replica, pending.new_view, tuple(pending.changes[digest] for digest in payload.view_changes), out)
        except (InputError, VerificationFailed) as error:
            replica.note(out, "new-view-refused", str(error))
        else:
            return True
    return False


def _join(replica: Replica, now: Moment, out: Effects) -> bool:
    """Join the smallest view above the own one among those that f+1 validators want."""
    wanted: dict[ValidatorId, View] = {}
    for view in sorted(replica.view_changes):
        if view > replica.view:
            for who in replica.view_changes[view]:
                wanted.setdefault(who, view)
    if len(wanted) < replica.context.validators.weak_quorum or not replica.safety.may_speak:
        return False
    give_up(replica, min(wanted.values()), f"{len(wanted)} validators want a higher view", now, out)
    return True


def _enter(replica: Replica, new_view: NewView, changes: tuple[ViewChange, ...], out: Effects) -> None:
    start = replica.safety.enter(new_view, changes)
    replica.leave_view()
    out.persist.append(EnteredRecord(new_view=new_view, view_changes=changes))
    replica.entered = (new_view, changes)
    replica.last_entered = replica.view
    replica.view_changes = {view: here for view, here in replica.view_changes.items() if view > replica.view}
    if start.certificate is not None:
        replica.raise_certificate(start.certificate)
    if replica.is_primary and replica.head_certificate is not None and replica.head.height > start.base.height:
        out.send.append(Send(message=Finality(certificate=replica.head_certificate)))
    replica.note(out, "view-entered", f"base {start.base.height}, {len(start.choices)} block(s) carried over")
