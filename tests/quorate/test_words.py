"""Words for everything that chains record."""

import typing
from datetime import UTC, datetime

import pytest

from ledger.entries import SystemAction, VoidReason
from ledger.evidence import Evidence, OffenceKind
from ledger.rendering import plain
from ledger.transactions import Body
from quorate import words


def test_every_reason_for_a_void_round_has_words() -> None:
    assert words.VOID_REASONS.keys() == {plain(reason) for reason in VoidReason}


def test_every_offence_has_words() -> None:
    assert words.OFFENCE_KINDS.keys() == {plain(kind) for kind in OffenceKind}
    assert words.OFFENCES.keys() == {kind.__name__ for kind in typing.get_args(Evidence)}


def test_every_transaction_and_action_has_words() -> None:
    assert words._BODIES.keys() == {kind.__name__ for kind in typing.get_args(Body)}
    assert words._ACTIONS.keys() == {kind.__name__ for kind in typing.get_args(SystemAction)}


def test_a_kind_of_a_later_release_is_named() -> None:
    assert words.body({"kind": "Seal"}) == "Seal"
    assert words.action({"kind": "EraEnded"}) == "EraEnded"


def test_a_verdict_is_told_with_its_numbers() -> None:
    refused = {"kind": "Rejected", "rule": "U3", "values": [4, 5]}
    assert words.verdict(refused) == (
        "refused by rule U3: the update is for round 4, but round 5 is the current one (0: none is)."
    )
    assert words.verdict({"kind": "Accepted", "values": [1]}) == "accepted"


@pytest.mark.parametrize("when", [0, 1_700_000_000_000])
def test_a_moment_is_in_utc(when: int) -> None:
    assert words.moment(when) == f"{datetime.fromtimestamp(when / 1_000, UTC):%Y-%m-%d %H:%M:%S}Z"


def test_a_moment_beyond_the_calendar_is_a_number() -> None:
    assert words.moment(2**63 - 1) == f"{2**63 - 1:,} ms after 1970"


def test_a_digest_is_read_aloud_in_groups() -> None:
    assert words.grouped("7d83e14641d7") == "7d83 e146 41d7"
