"""`choose`: where a view starts follows from the view changes, whatever their order, and stops above any gap."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.messages import ViewChange
from consensus.new_view import choose, verify_new_view
from ledger.blocks import Block
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.quantities import Height
from tests.consensus.forge import Forge, choice

FORGE = Forge(window=4)
CHAIN = FORGE.chain(4)
OTHER = FORGE.chain(4, name="other")
MIXED = FORGE.chain(3, parent=CHAIN[0].header, name="mixed")


def start_of(*view_changes: ViewChange) -> tuple[int, list[bytes]]:
    """Return the base's height and the digests of the choices."""
    start = choose(FORGE.context, view_changes)
    return start.base.height, [chosen.digest for chosen in start.choices]


def shows(
    who: int,
    *prepared: PreparedCertificate,
    certificate: CommitCertificate | None = None,
    view: int = 5,
) -> ViewChange:
    return FORGE.view_change(who, view, certificate=certificate, prepared=prepared)


def test_nothing_prepared_starts_at_the_root() -> None:
    start = choose(FORGE.context, FORGE.view_changes(1))
    assert (start.base, start.certificate, start.choices, start.headers) == (FORGE.context.root, None, (), ())


def test_the_base_is_the_highest_certified_block() -> None:
    low, high = FORGE.certificate(CHAIN[0].header), FORGE.certificate(CHAIN[1].header)
    start = choose(FORGE.context, [shows(0, certificate=low), shows(1, certificate=high), shows(2)])
    assert start.base == choice(CHAIN[1].header)
    assert start.certificate == high


def test_the_highest_view_wins_at_a_height() -> None:
    changes = [shows(0, FORGE.prepared(CHAIN[0].header, 1)), shows(1, FORGE.prepared(OTHER[0].header, 2)), shows(2)]
    assert start_of(*changes) == (0, [OTHER[0].digest])


def test_choices_go_on_as_long_as_each_names_the_one_below() -> None:
    prepared = [FORGE.prepared(block.header, 1) for block in CHAIN]
    assert start_of(shows(0, *prepared), shows(1), shows(2)) == (0, [block.digest for block in CHAIN])


def test_the_choices_may_come_from_several_view_changes() -> None:
    first, second = FORGE.prepared(CHAIN[0].header, 1), FORGE.prepared(CHAIN[1].header, 3)
    assert start_of(shows(0, second), shows(1, first), shows(2)) == (0, [CHAIN[0].digest, CHAIN[1].digest])


def test_no_block_above_a_gap_is_kept() -> None:
    prepared = [FORGE.prepared(CHAIN[number].header, 1) for number in (0, 2, 3)]
    assert start_of(shows(0, *prepared), shows(1), shows(2)) == (0, [CHAIN[0].digest])


def test_no_block_is_kept_whose_parent_is_not_the_choice_below() -> None:
    changes = [
        shows(0, FORGE.prepared(CHAIN[0].header, 1), FORGE.prepared(CHAIN[1].header, 1)),
        shows(1, FORGE.prepared(OTHER[0].header, 2)),
        shows(2),
    ]
    assert start_of(*changes) == (0, [OTHER[0].digest])


def test_a_block_of_a_higher_view_that_does_not_fit_hides_one_of_a_lower_view_that_would() -> None:
    """The walk stops there: a later view has prepared something else, so the lower one was not committed."""
    changes = [
        shows(0, FORGE.prepared(CHAIN[0].header, 1), FORGE.prepared(CHAIN[1].header, 1)),
        shows(1, FORGE.prepared(OTHER[1].header, 2)),
        shows(2),
    ]
    assert start_of(*changes) == (0, [CHAIN[0].digest])


def test_what_is_prepared_at_or_below_the_base_does_not_matter() -> None:
    changes = [
        shows(0, FORGE.prepared(CHAIN[0].header, 1), FORGE.prepared(CHAIN[1].header, 1)),
        shows(1, certificate=FORGE.certificate(OTHER[0].header)),
        shows(2),
    ]
    assert start_of(*changes) == (1, [])


def test_the_first_choice_must_name_the_base() -> None:
    changes = [
        shows(0, FORGE.prepared(MIXED[0].header, 1)),
        shows(1, certificate=FORGE.certificate(CHAIN[0].header)),
        shows(2),
    ]
    assert start_of(*changes) == (1, [MIXED[0].digest])


BLOCKS = [*CHAIN, *OTHER, *MIXED]
CERTIFICATES = [None, *(FORGE.certificate(block.header) for block in CHAIN[:2])]
PREPARED = {
    (number, view): FORGE.prepared(block.header, view) for number, block in enumerate(BLOCKS) for view in range(3)
}


@st.composite
def legal_view_changes(draw: st.DrawFn) -> list[ViewChange]:
    """Draw a quorum of view changes, each of which an honest or a Byzantine replica may send."""
    changes = []
    for who in range(FORGE.quorum):
        certificate = draw(st.sampled_from(CERTIFICATES))
        head = 0 if certificate is None else certificate.height
        shown: dict[Height, PreparedCertificate] = {}
        for place in draw(st.lists(st.sampled_from(sorted(PREPARED)), max_size=4)):
            prepared = PREPARED[place]
            if head < prepared.header.height <= head + FORGE.window:
                shown[prepared.header.height] = prepared
        changes.append(shows(who, *(shown[height] for height in sorted(shown)), certificate=certificate))
    return changes


@settings(deadline=None, max_examples=150)
@given(legal_view_changes(), st.randoms(use_true_random=False))
def test_b4_choose_returns_for_every_legal_set_and_does_not_depend_on_its_order(
    changes: list[ViewChange], chance: random.Random
) -> None:
    start = choose(FORGE.context, changes)
    shuffled = list(changes)
    chance.shuffle(shuffled)
    assert choose(FORGE.context, shuffled) == start
    parent = start.base
    for header, chosen in zip(start.headers, start.choices, strict=True):
        assert (header.parent, header.height) == (parent.digest, parent.height + 1)
        assert chosen == choice(header)
        views = [
            prepared.view
            for change in changes
            for prepared in change.payload.prepared
            if prepared.header.height == header.height
        ]
        assert any(
            prepared.header == header and prepared.view == max(views)
            for change in changes
            for prepared in change.payload.prepared
        )
        parent = chosen


@settings(deadline=None, max_examples=25)
@given(legal_view_changes())
def test_every_legal_set_makes_a_new_view_that_every_replica_accepts(changes: list[ViewChange]) -> None:
    assert verify_new_view(FORGE.context, FORGE.new_view(changes), changes) == choose(FORGE.context, changes)


@st.composite
def after_a_commit(draw: st.DrawFn) -> tuple[Forge, Block, list[ViewChange]]:
    """Draw what any quorum may show after a quorum has committed a block in view 2, f of them being Byzantine.

    An honest member of the committing quorum shows a certificate of an ancestor, and everything from there up to the
    block as prepared in view 2 (the prefix rule). Everybody else shows whatever could be prepared, in older views too.
    """
    size = draw(st.integers(4, 25))
    forge = Forge(size, 4)
    chain, other = forge.chain(4), forge.chain(4, name="other")
    height = draw(st.integers(1, 3))
    committed = set(draw(st.permutations(range(size)))[: forge.quorum])
    byzantine = set(draw(st.permutations(range(size)))[: forge.context.validators.faulty_max])
    changes = []
    for who in sorted(draw(st.permutations(range(size)))[: forge.quorum]):
        head = draw(st.integers(0, height))
        certificate = forge.certificate(chain[head - 1].header, 2, signers=[]) if head else None
        shown = {}
        for place in draw(st.sets(st.integers(head + 1, 4))):
            block, view = draw(st.sampled_from([(chain, 0), (chain, 2), (other, 0), (other, 1)]))
            shown[place] = forge.prepared(block[place - 1].header, view, signers=[])
        if who in committed - byzantine:
            for place in range(head + 1, height + 1):
                shown[place] = forge.prepared(chain[place - 1].header, 2, signers=[])
        prepared = [shown[place] for place in sorted(shown)]
        changes.append(forge.view_change(who, 3, certificate=certificate, prepared=prepared))
    return forge, chain[height - 1], changes


@settings(deadline=None, max_examples=200)
@given(after_a_commit())
def test_b1_the_walk_keeps_a_committed_block_whatever_the_number_of_validators(
    drawn: tuple[Forge, Block, list[ViewChange]],
) -> None:
    forge, block, changes = drawn
    start = choose(forge.context, changes)
    kept = {start.base.digest, *(one.digest for one in start.choices)}
    assert block.digest in kept or start.base.height > block.header.height
