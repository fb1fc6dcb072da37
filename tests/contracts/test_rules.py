"""The list of rules that the explorer puts into words."""

import re

import msgspec

from contracts.rules import ALL_RULES
from ledger.entries import Rejected


def test_every_rule_number_can_stand_in_a_receipt() -> None:
    for rule in ALL_RULES:
        encoded = msgspec.msgpack.encode(Rejected(rule=rule))
        assert msgspec.msgpack.decode(encoded, type=Rejected).rule == rule


def test_numbers_run_from_one_without_gaps() -> None:
    letters: dict[str, list[int]] = {}
    for rule in ALL_RULES:
        letters.setdefault(rule[0], []).append(int(rule[1:]))
    assert {letter: len(numbers) for letter, numbers in letters.items()} == {
        "P": 5,
        "T": 22,
        "B": 9,
        "U": 13,
        "W": 5,
        "A": 15,
        "G": 4,
        "V": 13,
        "E": 9,
        "R": 4,
    }
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in letters.values())


def test_names_are_short_constants() -> None:
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ALL_RULES.values())
    assert ALL_RULES["U12"] == "norm-over-bound"
