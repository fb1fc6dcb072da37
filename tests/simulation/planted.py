"""Bugs to plant: small changes of the engine, or of how it is run, each of which breaks a promise.

A simulator that cannot find planted bugs proves nothing. Those that random runs find are hunted in small harsh worlds;
those that hide from random search have a directed test each (`tests/consensus/test_four_views.py` and others).
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from consensus import bodies, catch_up, changing, finality, new_view, restoring
from consensus.messages import Choice, ViewChange
from consensus.records import PreparedRecord, Record, ViewChangeRecord, encode_record
from consensus.replica import Replica
from consensus.safety_rules import SafetyRules
from consensus.tally import Tally
from ledger import certificates, validators
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.errors import QuorateError
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId, View, faulty_max
from ledger.votes import Vote, VoteBundle
from tests.simulation.checker import Violation
from tests.simulation.faults import Faults
from tests.simulation.node import Disk
from tests.simulation.runs import run_world
from tests.simulation.world import World

HARSH = Faults(loss=0.05, duplicate=0.2, delay=0.05, busy=0.1, crash=0.02, partition=0.6, cut=0.1)
Plant = Callable[[pytest.MonkeyPatch], None]


def harsh_world(seed: int, *, size: int = 4) -> World:
    """Return a small world in which much goes wrong, with a liar among the validators in every second one."""
    world = World(size=size, seed=seed, faults=HARSH)
    if size % 3 == 0:
        world.groups = {who: who % 2 for who in world.context.validators.ids}  # two halves until the first healing
    if seed % 2:
        world.add_liar(ValidatorId(seed // 2 % size), rate=0.5)
    return world


def hunt(seeds: Sequence[int], *, size: int = 4) -> str | None:
    """Run harsh worlds until one breaks a promise; return what was broken, or None."""
    for seed in seeds:
        try:
            run_world(harsh_world(seed, size=size))
        except (Violation, QuorateError) as error:
            return f"{type(error).__name__}: {error}"
    return None


def quorum_of_2f_plus_1(patch: pytest.MonkeyPatch) -> None:
    """Plant: two quorums of six share no validator at all (B2)."""
    patch.setattr(validators, "quorum", lambda size: 2 * faulty_max(size) + 1)


def quorum_of_2f(patch: pytest.MonkeyPatch) -> None:
    """Plant: an equivocating primary and one honest validator are enough."""
    patch.setattr(validators, "quorum", lambda size: 2 * faulty_max(size))


def certificates_of_too_few(patch: pytest.MonkeyPatch) -> None:
    """Plant: the ledger itself lets one signature less pass, so only a second opinion can tell (B2)."""
    committed = Tally.committed

    def fewer(self: Tally, *, quorum: int, below: Height | None = None) -> CommitCertificate | None:
        return committed(self, quorum=quorum - 1, below=below)

    patch.setattr(Tally, "committed", fewer)
    patch.setattr(certificates, "_check_signers", lambda *_args, **_needed: None)


def view_change_omits_what_was_prepared(patch: pytest.MonkeyPatch) -> None:
    """Plant: the new view knows nothing of blocks that are decided already (B1)."""
    give_up = SafetyRules.give_up

    def forgetful(self: SafetyRules, view: View) -> ViewChange:
        self._prepared.clear()
        self._committed.clear()
        return give_up(self, view)

    patch.setattr(SafetyRules, "give_up", forgetful)


def votes_before_sync(patch: pytest.MonkeyPatch) -> None:
    """Plant: nothing that was written survives a crash, although the votes have left (B6)."""
    patch.setattr(Disk, "sync", lambda _self: None)

    def lose(self: Disk, chance: random.Random, keeps: int | None) -> None:
        del chance, keeps
        self.unsynced.clear()

    patch.setattr(Disk, "crash", lose)


def _not_written(kind: type[Record]) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        def write(self: Disk, records: list[Record]) -> None:
            self.unsynced += [encode_record(record) for record in records if not isinstance(record, kind)]

        patch.setattr(Disk, "write", write)

    return plant


def votes_not_restored(patch: pytest.MonkeyPatch) -> None:
    """Plant: a restarted validator signs a second digest for a slot it has voted in."""

    def forget(self: SafetyRules, votes: tuple[Vote, ...]) -> tuple[VoteBundle, ...]:
        return self._signer.sign(votes)

    patch.setattr(SafetyRules, "_restore_votes", forget)
    patch.setattr(restoring, "_restore_accepted", lambda _replica: None)


def votes_in_a_view_that_was_left(patch: pytest.MonkeyPatch) -> None:
    """Plant: what was admitted before the VIEW-CHANGE is sealed after it."""

    def leave(self: SafetyRules, view_change: ViewChange) -> None:
        self._view_change, self._view, self._start = view_change, view_change.payload.view, None

    patch.setattr(SafetyRules, "_leave", leave)


def bodies_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Plant: other transactions under a true header: a certified block seems not to execute."""
    for module in (bodies, catch_up):
        patch.setattr(module, "check_body", lambda _block: None)


HUNTED: dict[str, tuple[Plant, int, str]] = {
    "quorum of 2f+1": (quorum_of_2f_plus_1, 6, "certificate"),
    "certificates of too few": (certificates_of_too_few, 4, "certificate"),
    "view change omits prepared certificates": (view_change_omits_what_was_prepared, 4, "omission"),
    "votes before sync": (votes_before_sync, 4, "contradiction|two changes|omission|left view"),
    "prepared certificate not stored before the commit": (_not_written(PreparedRecord), 4, "omission|S9"),
    "view change not stored before it is sent": (_not_written(ViewChangeRecord), 4, "two changes|left view"),
    "votes not restored": (votes_not_restored, 4, "contradiction"),
    "votes in a view that was left": (votes_in_a_view_that_was_left, 4, "left view"),
    "bodies not checked": (bodies_not_checked, 4, "StateDivergence"),
}
"""Name: what plants it, how many validators, and which invariant is the one to break."""


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
