"""Random calls, crashes between them, and what must hold of everything that ever left: no sequence breaks it."""

from dataclasses import dataclass, field
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import Unsafe
from consensus.messages import ViewChange
from consensus.records import EnteredRecord, PreparedRecord, Record, ViewChangeRecord
from consensus.safety_rules import SafetyRules
from ledger.certificates import PreparedCertificate
from ledger.errors import InvalidCertificate
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind
from tests.consensus.forge import Forge, choice

FORGE = Forge(window=4)
SELF = ValidatorId(0)
VIEWS = 4
LEFT = FORGE.chain(3, name="left")
RIGHT = FORGE.chain(3, name="right")
CROSS = FORGE.chain(2, parent=LEFT[0].header, name="cross")
BLOCKS = (*LEFT, *RIGHT, *CROSS)


@cache
def prepared(number: int, view: int) -> PreparedCertificate:
    return FORGE.prepared(BLOCKS[number].header, view)


@cache
def changes(view: int, numbers: tuple[int, ...], below: int) -> tuple[ViewChange, ...]:
    """Return a quorum's view changes that all show the same certificates, of one earlier view."""
    held = {BLOCKS[number].header.height: prepared(number, min(below, view - 1)) for number in numbers}
    return FORGE.view_changes(view, prepared=[held[height] for height in sorted(held)])


@dataclass
class Life:
    """One validator over several lives: what it has durably written, and what has left it."""

    safety: SafetyRules = field(init=False)
    records: list[Record] = field(default_factory=list)
    unsynced: list[Record] = field(default_factory=list)
    head: int = 0
    sent: list[Vote] = field(default_factory=list)
    digests: dict[tuple[bool, View, Height], Digest] = field(default_factory=dict)
    view_changes: dict[View, ViewChange] = field(default_factory=dict)
    held: set[tuple[View, Digest]] = field(default_factory=set)
    appended: set[Digest] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.crash()

    def crash(self) -> None:
        """Lose what was not synced, and start again."""
        self.unsynced = []
        tip = LEFT[self.head - 1].header if self.head else FORGE.genesis
        self.safety = SafetyRules(
            context=FORGE.context,
            validator=SELF,
            key=FORGE.key(SELF),
            head=choice(tip),
            certificate=FORGE.certificate(tip) if self.head else None,
        )
        bundles = self.safety.restore(self.records)
        self.leave(bundles)  # resent

    def vote(self, number: int) -> None:
        """Propose as primary, prepare as backup."""
        own = FORGE.primary(self.safety.view) == SELF
        (self.safety.pre_prepare if own else self.safety.prepare)(BLOCKS[number].header)

    def hold(self, number: int) -> None:
        """Keep a certificate of the current view."""
        certificate = prepared(number, self.safety.view)
        self.safety.hold(certificate)
        self.held.add((certificate.view, certificate.header.digest))
        self.unsynced.append(PreparedRecord(certificate=certificate))

    def commit(self, number: int) -> None:
        """Commit."""
        self.safety.commit(BLOCKS[number].header)

    def give_up(self, number: int) -> None:
        """Ask for the next view, or the one after it."""
        view = View(self.safety.view + 1 + number % 2)
        change = self.safety.give_up(view)
        self.unsynced.append(ViewChangeRecord(view_change=change))

    def enter(self, number: int) -> None:
        """Enter a view that shows some blocks."""
        view = self.safety.view + number % 2
        if 0 < view < VIEWS + 2:
            shown = ((), (0,), (3,), (0, 1), (0, 6))[number % 5]
            named = changes(view, shown, number % VIEWS)
            new_view = FORGE.new_view(named)
            self.safety.enter(new_view, named)
            self.unsynced.append(EnteredRecord(new_view=new_view, view_changes=named))

    def append(self, number: int) -> None:
        """Append the next block of the one chain that is decided."""
        del number
        if self.head < len(LEFT):
            header = LEFT[self.head].header
            self.head += 1
            self.appended.add(header.digest)
            self.safety.appended(choice(header), FORGE.certificate(header))

    def sync(self, number: int) -> None:
        """Take, sync and seal, and let everything leave; or crash just before the sync."""
        taken = self.safety.take()
        if number % 4 == 0:
            self.crash()
            return
        self.records += [*self.unsynced, *([] if taken is None else [taken])]
        for record in self.unsynced:
            if isinstance(record, ViewChangeRecord):
                payload = record.view_change.payload
                assert self.view_changes.setdefault(payload.view, record.view_change) == record.view_change
        self.unsynced = []
        left = max(self.view_changes, default=View(0))
        bundles = self.safety.seal()
        assert all(vote.view >= left for bundle in bundles for vote in bundle.votes), "a vote in a view that was left"
        self.leave(bundles)

    def leave(self, bundles: tuple[VoteBundle, ...]) -> None:
        """Check what leaves."""
        for vote in (vote for bundle in bundles for vote in bundle.votes):
            place = (vote.kind is VoteKind.COMMIT, vote.view, vote.height)
            assert self.digests.setdefault(place, vote.digest) == vote.digest, "two digests"
            if vote.kind is VoteKind.COMMIT and vote not in self.sent:
                assert (vote.view, vote.digest) in self.held, "a commit without its certificate"
                assert self.has_prefix(vote), "a commit against the prefix rule"
            self.sent.append(vote)

    def has_prefix(self, vote: Vote) -> bool:
        """Return whether the parent was appended, or committed in the same view."""
        parent = next(block.header.parent for block in BLOCKS if block.digest == vote.digest)
        below = self.digests.get((True, vote.view, Height(vote.height - 1)))
        return parent in {below, FORGE.genesis.digest} or parent in self.appended


STEPS = (Life.vote, Life.hold, Life.commit, Life.give_up, Life.enter, Life.append, Life.sync, Life.sync)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, len(BLOCKS) - 1)), max_size=60))
def test_no_sequence_of_calls_and_crashes_lets_a_contradiction_leave(
    steps: list[tuple[object, int]],
) -> None:
    life = Life()
    for step, number in steps:
        try:
            step(life, number)  # type: ignore[operator]
        except (Unsafe, InvalidCertificate):
            continue
    life.sync(1)


def test_the_blocks_of_the_property_contradict_each_other() -> None:
    """Otherwise the property would show nothing."""
    heights = [block.header.height for block in BLOCKS]
    assert all(heights.count(height) > 1 for height in heights)
    assert len({block.digest for block in BLOCKS}) == len(BLOCKS)
