"""What `SafetyRules` knows after a crash: the same bytes, the same refusals, from every prefix of its records."""

import pytest

from consensus.errors import Unsafe
from consensus.records import EnteredRecord, PreparedRecord, Record, ViewChangeRecord
from consensus.safety_rules import SafetyRules
from ledger.quantities import ValidatorId, View
from ledger.votes import VoteBundle
from tests.consensus.forge import Forge, choice

FORGE = Forge(window=4)
A, B, C, D = FORGE.chain(4)
OTHER = FORGE.block(FORGE.genesis, b"other")
CHANGES = FORGE.view_changes(2, prepared=[FORGE.prepared(A.header)])


def rules(*, who: int = 0, appended: bool = False) -> SafetyRules:
    return SafetyRules(
        context=FORGE.context,
        validator=ValidatorId(who),
        key=FORGE.key(who),
        head=choice(A.header) if appended else FORGE.context.root,
        certificate=FORGE.certificate(A.header) if appended else None,
    )


def sealed(safety: SafetyRules, records: list[Record]) -> tuple[VoteBundle, ...]:
    """Take, log and seal."""
    taken = safety.take()
    assert taken is not None
    records.append(taken)
    return safety.seal()


def history() -> tuple[SafetyRules, list[Record], list[VoteBundle]]:
    """Vote for two blocks in view 0, leave it, enter view 2, and vote for the choice there."""
    safety, records, bundles = rules(), list[Record](), list[VoteBundle]()
    safety.prepare(A.header)
    safety.prepare(B.header)
    bundles += sealed(safety, records)
    for block in (A, B):
        certificate = FORGE.prepared(block.header)
        safety.hold(certificate)
        records.append(PreparedRecord(certificate=certificate))
        safety.commit(block.header)
    bundles += sealed(safety, records)
    records.append(ViewChangeRecord(view_change=safety.give_up(View(1))))
    new_view = FORGE.new_view(CHANGES)
    safety.enter(new_view, CHANGES)
    records.append(EnteredRecord(new_view=new_view, view_changes=CHANGES))
    safety.prepare(A.header)
    bundles += sealed(safety, records)
    return safety, records, bundles


def test_the_same_bundles_are_signed_byte_for_byte() -> None:
    _, records, bundles = history()
    assert list(rules().restore(records)) == bundles


def test_votes_taken_in_two_records_before_one_seal_come_back_as_they_were_sent() -> None:
    safety, records = rules(), list[Record]()
    for block in (A, B):
        safety.prepare(block.header)
        taken = safety.take()
        assert taken is not None
        records.append(taken)
    assert rules().restore(records) == safety.seal()


def test_what_was_refused_is_refused_again() -> None:
    _, records, _ = history()
    safety = rules()
    safety.restore(records)
    with pytest.raises(Unsafe, match="S3 "):
        safety.prepare(OTHER.header)
    with pytest.raises(Unsafe, match="S5 "):
        safety.commit(A.header)
    with pytest.raises(Unsafe, match="S9 "):
        safety.give_up(View(2))


def test_the_next_view_change_is_the_one_it_would_have_been() -> None:
    safety, records, _ = history()
    again = rules()
    again.restore(records)
    assert again.give_up(View(3)) == safety.give_up(View(3))


def test_a_commit_still_follows_the_commit_of_its_parent() -> None:
    _, records, _ = history()
    safety = rules()
    safety.restore(records[:4])  # up to the commits in view 0
    safety.hold(FORGE.prepared(C.header))
    assert safety.commit(C.header)


def test_every_prefix_forbids_what_contradicts_its_votes() -> None:
    """A torn log ends with some record; whatever that and those before it say binds."""
    _, records, bundles = history()
    for length in range(len(records) + 1):
        safety = rules()
        restored = safety.restore(records[:length])
        assert list(restored) == bundles[: len(restored)]
        if length in range(1, 5):  # prepared in view 0, and still there
            with pytest.raises(Unsafe, match="S2 "):
                safety.prepare(OTHER.header)


def test_what_was_appended_since_needs_no_restoring() -> None:
    _, records, _ = history()
    safety = rules(appended=True)
    safety.restore(records)
    (held,) = safety.give_up(View(3)).payload.prepared
    assert held.header == B.header


def test_an_own_new_view_is_not_announced_again_otherwise() -> None:
    primary = FORGE.primary(2)
    safety = rules(who=primary)
    records: list[Record] = [ViewChangeRecord(view_change=safety.give_up(View(2)))]
    new_view = safety.announce(CHANGES)
    safety.enter(new_view, CHANGES)
    records.append(EnteredRecord(new_view=new_view, view_changes=CHANGES))
    again = rules(who=primary)
    again.restore(records)
    with pytest.raises(Unsafe, match="S10 "):
        again.announce(FORGE.view_changes(2))
