"""Log entries: a leaf covers transaction or action and receipt, and no kind passes for another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.encoding import decode, encode
from ledger.entries import (
    Accepted,
    ActionEntry,
    Entry,
    Receipt,
    Rejected,
    RuleNumber,
    SystemAction,
    TaskFinished,
    TransactionEntry,
    Verdict,
    VoidReason,
)
from ledger.errors import MalformedEncoding
from ledger.hashing import sha256
from ledger.quantities import Height
from tests.ledger.helpers import decode_union
from tests.ledger.strategies import trying, values


@trying(60)
@given(values(Entry))
def test_an_entry_is_read_as_its_own_kind(entry: TransactionEntry | ActionEntry) -> None:
    assert decode_union(encode(entry), Entry) == entry


@trying(60)
@given(values(SystemAction))
def test_an_action_is_read_as_its_own_kind(action: SystemAction) -> None:
    assert decode_union(encode(action), SystemAction) == action


@trying(60)
@given(values(Verdict))
def test_a_verdict_is_read_as_its_own_kind(verdict: Verdict) -> None:
    assert decode_union(encode(verdict), Verdict) == verdict


@trying(60)
@given(st.one_of(values(TransactionEntry), values(ActionEntry)))
def test_the_leaf_is_the_hash_of_the_whole_entry(entry: TransactionEntry | ActionEntry) -> None:
    assert entry.leaf == sha256(b"\0" + encode(entry))


def test_the_verdict_changes_the_leaf() -> None:
    leaves = {
        ActionEntry(action=TaskFinished(task="a"), receipt=Receipt(height=Height(1), position=0, verdict=verdict)).leaf
        for verdict in (Accepted(), Accepted(values=(0,)), Rejected(rule="U1"), Rejected(rule="U1", values=(0,)))
    }
    assert len(leaves) == 4


@pytest.mark.parametrize("rule", ["U1", "P9", "A10", "Z99"])
def test_a_rule_number_is_a_letter_and_up_to_two_digits(rule: str) -> None:
    assert decode(encode(rule), RuleNumber) == rule


@pytest.mark.parametrize("rule", ["", "U", "U0", "U01", "U100", "u1", "UU1", "U1\n", "U1 ", "U\u0661"])
def test_any_other_rule_number_is_malformed(rule: str) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode((1, rule, ())), Rejected)


def test_free_text_has_no_place_in_a_verdict() -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode((1, "U1", ("because",))), Rejected)


def test_the_numbers_of_void_reasons_never_change() -> None:
    assert {reason.name: reason.value for reason in VoidReason} == {"TOO_FEW_UPDATES": 1, "NOT_ATTESTED": 2}
