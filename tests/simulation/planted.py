"""Bugs to plant: small changes of the engine, or of how it is run, each of which breaks a promise.

A test that cannot fail proves nothing: each of these is planted under the directed test that is meant for it. What
seeds must find is the zoo's (`zoo_bugs`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from consensus import changing, finality, new_view
from consensus.messages import Choice, ViewChange
from consensus.replica import Replica
from consensus.safety_rules import SafetyRules
from consensus.tally import Tally
from ledger import validators
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId, faulty_max
from ledger.votes import Vote

Plant = Callable[[pytest.MonkeyPatch], None]


def quorum_of_2f(patch: pytest.MonkeyPatch) -> None:
    """Plant: an equivocating primary and one honest validator are enough."""
    patch.setattr(validators, "quorum", lambda size: 2 * faulty_max(size))


def votes_in_a_view_that_was_left(patch: pytest.MonkeyPatch) -> None:
    """Plant: what was admitted before the VIEW-CHANGE is sealed after it."""

    def leave(self: SafetyRules, view_change: ViewChange) -> None:
        self._view_change, self._view, self._start = view_change, view_change.payload.view, None

    patch.setattr(SafetyRules, "_leave", leave)


def lowest_view_wins(patch: pytest.MonkeyPatch) -> None:
    """Plant: NEW-VIEW takes the prepared certificate of the lowest view."""

    def rank(prepared: PreparedCertificate) -> tuple[int, Digest]:
        return -prepared.view, prepared.header.digest

    patch.setattr(new_view, "_rank", rank)


def commit_without_the_prefix_rule(patch: pytest.MonkeyPatch) -> None:
    """Plant: a commit for a block whose parent was not committed."""

    def may_commit(self: SafetyRules, header: BlockHeader) -> bool:
        del self, header
        return True

    patch.setattr(SafetyRules, "may_commit", may_commit)


def prefix_from_another_view(patch: pytest.MonkeyPatch) -> None:
    """Plant: a commit of the parent in any view counts."""

    def may_commit(self: SafetyRules, header: BlockHeader) -> bool:
        own = (self._head.height + 1, self._head.digest) == (header.height, header.parent)
        return own or header.parent in self._committed.values()

    patch.setattr(SafetyRules, "may_commit", may_commit)


def votes_at_or_below_the_base(patch: pytest.MonkeyPatch) -> None:
    """Plant: S7 is left out."""

    def check_height(self: SafetyRules, vote: Vote) -> object:
        if self._start is None or vote.height <= self._head.height:
            raise self._refusal("S1", vote, "a free height", vote.height)
        return self._start

    patch.setattr(SafetyRules, "_check_height", check_height)
    patch.setattr(Replica, "may_vote", property(lambda self: self.safety.start is not None))


def next_height_only(patch: pytest.MonkeyPatch) -> None:
    """Plant: a certificate counts only at the height above the head."""
    blocks_up_to = finality._blocks_up_to

    def only_next(replica: Replica, certificate: CommitCertificate, *rest: Any) -> list[Any]:
        return blocks_up_to(replica, certificate, *rest) if certificate.height == replica.head.height + 1 else []

    patch.setattr(finality, "_blocks_up_to", only_next)


def certificate_mixed_over_views(patch: pytest.MonkeyPatch) -> None:
    """Plant: commits of all views are counted together."""
    committed = Tally.committed

    def mixed(self: Tally, *, quorum: int, below: Height | None = None) -> CommitCertificate | None:
        for (_, height), slot in list(self._slots.items()):
            for (_, other), more in list(self._slots.items()):
                if height == other:
                    slot.commits.update(more.commits)
        return committed(self, quorum=quorum, below=below)

    patch.setattr(Tally, "committed", mixed)


def block_above_a_gap_kept(patch: pytest.MonkeyPatch) -> None:
    """Plant: the choices do not stop where a parent does not match."""
    choose = new_view.choose

    def greedy(context: new_view.EraContext, changes: Sequence[ViewChange]) -> new_view.Start:
        start = choose(context, changes)
        held = {held.header.height: held.header for change in changes for held in change.payload.prepared}
        headers = tuple(held[height] for height in sorted(held) if height > start.base.height)
        choices = tuple(Choice(height=header.height, digest=header.digest) for header in headers)
        return new_view.Start(base=start.base, certificate=start.certificate, choices=choices, headers=headers)

    patch.setattr(new_view, "choose", greedy)


def second_view_change_dropped(patch: pytest.MonkeyPatch) -> None:
    """Plant: only the first VIEW-CHANGE of a validator is taken, though NEW-VIEW names another one."""
    on_view_change = changing.on_view_change

    def first_only(replica: Replica, sender: ValidatorId, change: ViewChange, *rest: Any) -> None:
        if change.payload.validator not in replica.view_changes.get(change.payload.view, {}):
            on_view_change(replica, sender, change, *rest)

    patch.setattr(changing, "on_view_change", first_only)
