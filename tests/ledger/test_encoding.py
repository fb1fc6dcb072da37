"""The canonical byte form: what decoding refuses, in which words, and what a signature covers."""

from itertools import product
from traceback import format_exception

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import Purpose, decode, decode_integer, encode, encode_integer, signing_bytes
from ledger.entries import SystemAction, TaskFinished
from ledger.errors import InputError, MalformedEncoding, NonCanonicalEncoding, TooLarge
from ledger.hashing import Digest
from ledger.merkle import Frontier
from ledger.tasks import Layout
from ledger.validators import Validator
from ledger.votes import Vote
from tests.ledger.helpers import CHAIN, OTHER_CHAIN
from tests.ledger.strategies import digests

ERROR_TEXT_MAX = 2_000


def test_the_size_is_checked_before_anything_is_parsed() -> None:
    with pytest.raises(TooLarge, match="TaskFinished: expected at most 4 bytes, got 5 bytes"):
        decode(b"\xc1" * 5, TaskFinished, bytes_max=4)


def test_input_of_exactly_the_greatest_size_is_read() -> None:
    data = encode(TaskFinished(task="abc"))
    assert decode(data, TaskFinished, bytes_max=len(data)) == TaskFinished(task="abc")


@pytest.mark.parametrize(
    "kind", [Frontier, tuple[int, ...], tuple[object, ...], SystemAction, Vote, tuple[Validator, ...]]
)
@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 1_000_000,
        b"\x81" * 1_000_000,
        b"\xdd\xff\xff\xff\xff",
        b"\x92\x00\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xc1",
        b"",
    ],
    ids=["arrays", "maps", "array32", "inner-array32", "map32", "bin32", "str32", "ext32", "never-used", "empty"],
)
def test_bombs_are_malformed(kind: type, data: bytes) -> None:
    with pytest.raises(MalformedEncoding):
        decode(data, kind)


def test_an_error_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(MalformedEncoding) as caught:
        decode(encode((7, 5)), TaskFinished)
    assert (caught.value.what, caught.value.expected) == ("TaskFinished", "its canonical form")
    assert caught.value.got == "other bytes (Expected `str`, got `int` - at `$[1]`)"


@pytest.mark.parametrize("size", [2**63, 2**64 - 1, -1, 1.0, True, "1", b"1", None, (), {}])
def test_a_number_beyond_63_bits_or_of_another_type_is_malformed(size: object) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode((size, ())), Frontier)


@pytest.mark.parametrize("task", ["abc\n", "\nabc", "", "-abc", "Abc", "a" * 64, "a b", "ä", "a\0", b"abc"])
def test_a_name_outside_the_pattern_is_malformed(task: object) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode((7, task)), TaskFinished)


@pytest.mark.parametrize("name", ["a", "0", "a-", "a" * 63, "0-a-9"])
def test_a_name_inside_the_pattern_is_read(name: str) -> None:
    assert decode(encode((7, name)), TaskFinished) == TaskFinished(task=name)


def test_text_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(MalformedEncoding):
        decode(b"\x92\x07\xa2\xff\xff", TaskFinished)


def test_a_map_instead_of_an_array_is_malformed() -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode({"task": "abc"}), TaskFinished)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encode(("x" * 5_000_000, ())), Layout),
        (encode((7, "x" * 5_000_000)), TaskFinished),
        (encode((2**64 - 1, "abc")), SystemAction),
        (b"\x92\x07\xda\x40\x00" + b"\xff" * 0x4000, TaskFinished),
    ],
    ids=["text-tag", "text", "tag", "not-utf-8"],
)
def test_an_error_repeats_no_megabytes_of_input(data: bytes, kind: type) -> None:
    with pytest.raises(InputError) as caught:
        decode(data, kind)
    assert len(str(caught.value)) <= ERROR_TEXT_MAX


def test_neither_does_its_traceback() -> None:
    with pytest.raises(MalformedEncoding) as caught:
        decode(encode(("x" * 5_000_000, ())), Layout)
    assert "x" * 1_000 not in "".join(format_exception(caught.value))


def test_an_error_about_bytes_of_another_form_does_not_repeat_them() -> None:
    secret = b"a seed that somebody sent in the wrong place"
    with pytest.raises(NonCanonicalEncoding) as caught:
        decode(b"\xc5\x00" + bytes([len(secret)]) + secret, bytes)
    assert "seed" not in str(caught.value)
    assert secret.hex() not in str(caught.value)


def test_signed_bytes_are_one_array_of_five() -> None:
    covered = signing_bytes(Purpose.HOLD, chain_id=CHAIN, payload=b"payload")
    assert covered == b"\x95\xa7quorate\x01\xa4hold\xc4\x20" + CHAIN + b"\xc4\x07payload"


def test_every_purpose_and_chain_has_signed_bytes_of_its_own() -> None:
    pairs = list(product(Purpose, (CHAIN, OTHER_CHAIN)))
    covered = {signing_bytes(purpose, chain_id=chain, payload=b"payload") for purpose, chain in pairs}
    assert len(covered) == len(pairs)


@settings(deadline=None)
@given(purpose=st.sampled_from(Purpose), chain=digests(), payload=st.binary(max_size=300))
def test_signed_bytes_can_be_taken_apart_in_one_way_only(purpose: Purpose, chain: Digest, payload: bytes) -> None:
    covered = signing_bytes(purpose, chain_id=chain, payload=payload)
    parts = decode(covered, tuple[str, int, Purpose, bytes, bytes])
    assert parts == ("quorate", 1, purpose, chain, payload)


@settings(deadline=None)
@given(st.integers(0, 2**300))
def test_a_large_integer_survives_its_encoding(value: int) -> None:
    assert decode_integer(encode_integer(value)) == value


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_an_integer_has_one_byte_form(data: bytes) -> None:
    try:
        value = decode_integer(data)
    except NonCanonicalEncoding:
        assert data[0] == 0
    else:
        assert encode_integer(value) == data


def test_zero_is_the_empty_byte_string() -> None:
    assert encode_integer(0) == b""


def test_a_leading_zero_byte_is_refused() -> None:
    with pytest.raises(NonCanonicalEncoding, match="expected no leading zero byte, got 0001"):
        decode_integer(b"\0\1")
