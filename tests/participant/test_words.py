"""Every rule of every contract has words, with as many integers as the contract passes."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.reports import CutReason
from contracts.rules import ALL_RULES
from ledger.blobs import Fate
from ledger.quantities import U63_MAX
from ledger.rendering import plain
from participant.words import CUTS, FATES, WORDS, explain, percent

CONTRACTS = (
    "enrolment",
    "tasks",
    "blobs",
    "updates",
    "withdrawals",
    "attestations",
    "approvals",
    "membership",
    "seats",
    "equivocation",
    "protocols",
)


def refusals() -> Iterator[tuple[str, int]]:
    """Yield the number of each rule that the contracts' sources refuse by, and how many integers go with it."""
    for name in CONTRACTS:
        module = importlib.import_module(f"contracts.{name}")
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Refused":
                rule = call.args[0]
                assert isinstance(rule, ast.Attribute)
                assert isinstance(rule.value, ast.Name)
                numbers: type[StrEnum] = getattr(module, rule.value.id)
                yield numbers[rule.attr], len(call.args) - 1


def test_every_rule_has_words_and_no_others_do() -> None:
    assert sorted(WORDS) == sorted(ALL_RULES)


def test_the_sources_refuse_by_every_rule() -> None:
    assert {rule for rule, _ in refusals()} == set(ALL_RULES)


@pytest.mark.parametrize(("rule", "count"), sorted(set(refusals())))
def test_the_words_name_as_many_integers_as_the_contract_compares(rule: str, count: int) -> None:
    words = WORDS[rule]
    assert len(words.units) == count
    assert words.text.count("{}") == count
    assert "no words" not in explain(rule, (1,) * count)


@pytest.mark.parametrize("rule", sorted(ALL_RULES))
def test_words_are_sentences(rule: str) -> None:
    text = WORDS[rule].text
    assert text.endswith(".")
    assert not text[0].isupper(), "they follow a colon"
    assert text.isascii()


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(ALL_RULES)), st.integers(min_value=0, max_value=U63_MAX))
def test_any_integers_can_be_put_into_words(rule: str, value: int) -> None:
    assert "{}" not in explain(rule, (value,) * len(WORDS[rule].units))


def test_integers_are_written_in_their_units() -> None:
    assert "is 1.5 (1610612736 * 2^-30), above the task's bound of 1 (1073741824 * 2^-30)" in explain(
        "U12", (3 * 2**29, 2**30)
    )
    assert "the block's time was 2023-11-14 22:13:20.000Z" in explain("U5", (1_700_000_000_000, 1_700_000_000_001))
    assert "the round's deadline 2023-11-14 22:13:20.001Z" in explain("U5", (1_700_000_000_000, 1_700_000_000_001))
    assert explain("B1", (5_000_000_000, 2**31)).startswith("the blob has 5,000,000,000 bytes")


@pytest.mark.parametrize("values", [(), (1, 2, 3)])
def test_a_receipt_of_a_later_release_is_shown_bare(values: tuple[int, ...]) -> None:
    assert explain("U12", values).startswith("rule U12, which this release has no words for")
    assert explain("Z9", (7, 8)) == "rule Z9, which this release has no words for (integers: 7, 8)."


def test_every_fate_and_every_reason_for_a_cut_has_words() -> None:
    assert FATES.keys() == {plain(fate) for fate in Fate}
    assert CUTS.keys() == {plain(reason) for reason in CutReason}


def test_a_share_is_written_in_per_cent_and_never_rounded_up() -> None:
    assert [percent(part, 2**30) for part in (0, 1, 2**29, 2**30 - 1, 2**30)] == [
        "0.000%",
        "0.000%",
        "50.000%",
        "99.999%",
        "100.000%",
    ]
