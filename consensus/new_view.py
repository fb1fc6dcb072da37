"""NEW-VIEW as a pure function of a quorum of view changes; every replica recomputes it and refuses any difference.

Walk heights upward from the highest commit certificate; at each height take the prepared certificate of the highest
view; stop at the first height that has none, or whose header does not name the previous choice as parent. Above the
stop, proposals are fresh.

Why it is safe: no honest vote of a view is at or below its base; q commits of (v, h, d) imply that each honest one of
them appended or committed every ancestor in v; any q view changes contain one of these; by induction all certificates
of later views at those heights are for the same chain, so the walk never stops below h.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.messages import Choice, NewView, ViewChange
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.errors import InvalidCertificate
from ledger.hashing import Digest
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.validators import ValidatorSet


@dataclass(frozen=True, slots=True, kw_only=True)
class EraContext:
    """What view changes of one era are checked against."""

    chain_id: Digest
    era: Era
    validators: ValidatorSet
    root: Choice
    """Last block of the era before (genesis in era 0): appended by everybody, needs no certificate of this era."""
    window: int

    @property
    def first_height(self) -> Height:
        """First height of the era."""
        return Height(self.root.height + 1)

    def primary(self, view: View) -> ValidatorId:
        """Return the primary of a view."""
        return self.validators.primary(first_height=self.root.height + 1, view=view)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a quorum of view changes says about where a view starts."""

    base: Choice
    certificate: CommitCertificate | None
    """Of the base; None if that is the root of the era."""
    choices: tuple[Choice, ...]
    headers: tuple[BlockHeader, ...]
    """Of the choices."""


def choose(context: EraContext, view_changes: Sequence[ViewChange]) -> Start:
    """Return what follows from verified view changes; independent of their order."""
    certificates = [change.payload.certificate for change in view_changes if change.payload.certificate is not None]
    certificate = max(certificates, key=lambda item: (item.height, item.digest), default=None)
    base = context.root
    if certificate is not None:
        base = Choice(height=certificate.height, digest=certificate.digest)
    highest: dict[Height, PreparedCertificate] = {}
    for change in view_changes:
        for prepared in change.payload.prepared:
            known = highest.get(prepared.header.height)
            if known is None or _rank(known) < _rank(prepared):
                highest[prepared.header.height] = prepared
    headers: list[BlockHeader] = []
    previous = base
    while (prepared_here := highest.get(Height(previous.height + 1))) is not None:
        header = prepared_here.header
        if header.parent != previous.digest:
            break
        headers.append(header)
        previous = Choice(height=header.height, digest=header.digest)
    choices = tuple(Choice(height=header.height, digest=header.digest) for header in headers)
    return Start(base=base, certificate=certificate, choices=choices, headers=tuple(headers))


def _rank(prepared: PreparedCertificate) -> tuple[View, Digest]:
    return prepared.view, prepared.header.digest


def verify_view_change(context: EraContext, change: ViewChange) -> None:
    """Raise InvalidCertificate or InvalidSignature unless a view change is what an honest replica could send."""
    payload = change.payload
    change.verify_signature(context.validators.vote_key(payload.validator), chain_id=context.chain_id)
    head = context.root.height
    if payload.certificate is not None:
        _check_era(context, payload.certificate.era)
        payload.certificate.verify(context.validators, chain_id=context.chain_id)
        head = payload.certificate.height
        if head <= context.root.height:
            raise InvalidCertificate("certificate of a view change", expected=f"above {context.root.height}", got=head)
    heights = [prepared.header.height for prepared in payload.prepared]
    if heights != sorted(set(heights)) or any(not head < height <= head + context.window for height in heights):
        raise InvalidCertificate(
            "heights of prepared certificates",
            expected=f"ascending in {head + 1}..{head + context.window}",
            got=heights,
        )
    for prepared in payload.prepared:
        _check_era(context, prepared.header.era)
        if prepared.view >= payload.view:
            raise InvalidCertificate(
                "view of a prepared certificate", expected=f"below {payload.view}", got=prepared.view
            )
        prepared.verify(context.validators, primary=context.primary(prepared.view), chain_id=context.chain_id)


def verify_new_view(context: EraContext, new_view: NewView, view_changes: Sequence[ViewChange]) -> Start:
    """Return where the view starts; raises InvalidCertificate or InvalidSignature for any but the one right answer.

    `view_changes` are those that the NEW-VIEW names, in its order; they are verified here again.
    """
    payload = new_view.payload
    primary = context.primary(payload.view)
    if payload.validator != primary:
        raise InvalidCertificate(f"sender of NEW-VIEW({payload.view})", expected=primary, got=payload.validator)
    new_view.verify_signature(context.validators.vote_key(primary), chain_id=context.chain_id)
    _check_era(context, payload.era)
    signers = [change.payload.validator for change in view_changes]
    if len(signers) != context.validators.quorum or signers != sorted(set(signers)):
        raise InvalidCertificate(
            "view changes of a NEW-VIEW",
            expected=f"{context.validators.quorum} distinct validators in ascending order",
            got=signers,
        )
    if tuple(change.payload.digest for change in view_changes) != payload.view_changes:
        raise InvalidCertificate("view changes of a NEW-VIEW", expected="those it names", got="others")
    for change in view_changes:
        if (change.payload.era, change.payload.view) != (payload.era, payload.view):
            raise InvalidCertificate(
                "view change in a NEW-VIEW", expected=f"for view {payload.view}", got=f"view {change.payload.view}"
            )
        verify_view_change(context, change)
    start = choose(context, view_changes)
    if (start.base, start.choices) != (payload.base, payload.choices):
        raise InvalidCertificate(
            f"start of view {payload.view}", expected=(start.base, start.choices), got=(payload.base, payload.choices)
        )
    return start


def _check_era(context: EraContext, era: Era) -> None:
    if era != context.era:
        raise InvalidCertificate("era", expected=context.era, got=era)
