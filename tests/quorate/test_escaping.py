"""What a chain says is shown; what it would do to a terminal is not."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.escaping import ascii_only, escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\u202edcba", "\\u202edcba"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x9b31m", "\\x9b31m"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("Höhe 3", "Höhe 3"),
    ],
)
def test_what_could_hide_or_reorder_is_shown_as_its_code(text: str, shown: str) -> None:
    assert escape(text) == shown


@settings(deadline=None)
@given(st.text())
def test_nothing_unsafe_is_left(text: str) -> None:
    assert all(unicodedata.category(character)[0] != "C" for character in escape(text))
    assert all(" " <= character <= "~" for character in ascii_only(text))


@settings(deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert ascii_only(text) == text
