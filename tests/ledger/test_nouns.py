"""Every noun: one byte form, written here a second time by hand, and nothing else is read.

Whatever bytes arrive, decoding gives a value whose encoding is those bytes, or one of three errors.
"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.encoding import Noun, decode, encode
from ledger.errors import MalformedEncoding, NonCanonicalEncoding
from tests.ledger.reference_msgpack import Tree, longer_forms, tree, write
from tests.ledger.strategies import NOUNS, any_noun, trying, values

REFUSALS = (MalformedEncoding, NonCanonicalEncoding)
every_noun = pytest.mark.parametrize("kind", NOUNS, ids=lambda kind: kind.__name__)


def expect_refusal_or_another_value(data: bytes, original: Noun) -> None:
    """Check that bytes other than the original's own are never read as the original."""
    try:
        value = decode(data, type(original))
    except REFUSALS:
        return
    assert value != original
    assert encode(value) == data


@every_noun
@trying(15)
@given(st.data())
def test_a_noun_survives_its_encoding(kind: type[Noun], data: st.DataObject) -> None:
    value = data.draw(values(kind))
    assert decode(encode(value), kind) == value


@every_noun
@trying(15)
@given(st.data())
def test_a_noun_is_encoded_as_the_specification_says(kind: type[Noun], data: st.DataObject) -> None:
    value = data.draw(values(kind))
    assert encode(value) == write(tree(value))


@every_noun
def test_a_noun_is_closed_immutable_and_positional(kind: type[Noun]) -> None:
    config = kind.__struct_config__
    assert (config.frozen, config.array_like, config.forbid_unknown_fields) == (True, True, True)


@trying(150)
@given(any_noun())
def test_longer_forms_of_a_part_are_refused(value: Noun) -> None:
    for data in longer_forms(tree(value)):
        if data != encode(value):
            with pytest.raises(REFUSALS):
                decode(data, type(value))


@trying(150)
@given(any_noun())
def test_truncated_bytes_are_malformed(value: Noun) -> None:
    data = encode(value)
    for length in range(len(data)):
        with pytest.raises(MalformedEncoding):
            decode(data[:length], type(value))


@trying(150)
@given(value=any_noun(), extra=st.binary(min_size=1, max_size=4))
def test_trailing_bytes_are_malformed(value: Noun, extra: bytes) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode(value) + extra, type(value))


@trying(150)
@given(value=any_noun(), extra=st.sampled_from([None, 0, "", b"", []]))
def test_an_extra_element_is_malformed(value: Noun, extra: Tree) -> None:
    fields = tree(value)
    assert isinstance(fields, list)
    with pytest.raises(MalformedEncoding):
        decode(write([*fields, extra]), type(value))


@trying(150)
@given(any_noun())
def test_a_missing_last_element_is_refused(value: Noun) -> None:
    fields = tree(value)
    assert isinstance(fields, list)
    with pytest.raises(REFUSALS):
        decode(write(fields[:-1]), type(value))


@trying(400)
@given(value=any_noun(), data=st.data())
def test_one_changed_byte_is_refused_or_gives_another_value(value: Noun, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    expect_refusal_or_another_value(bytes(encoded), value)


@trying(400)
@given(value=any_noun(), data=st.data())
def test_one_lost_or_doubled_byte_is_refused_or_gives_another_value(value: Noun, data: st.DataObject) -> None:
    encoded = encode(value)
    place = data.draw(st.integers(0, len(encoded) - 1))
    copies = data.draw(st.sampled_from([0, 2]))
    changed = encoded[:place] + encoded[place : place + 1] * copies + encoded[place + 1 :]
    expect_refusal_or_another_value(changed, value)


@trying(300)
@given(kind=st.sampled_from(NOUNS), data=st.binary(max_size=200))
def test_random_bytes_meet_no_other_error(kind: type[Noun], data: bytes) -> None:
    with suppress(*REFUSALS):
        assert encode(decode(data, kind)) == data


@trying(300)
@given(value=any_noun(), kind=st.sampled_from(NOUNS))
def test_bytes_of_another_noun_meet_no_other_error(value: Noun, kind: type[Noun]) -> None:
    with suppress(*REFUSALS):
        assert encode(decode(encode(value), kind)) == encode(value)


def test_no_tagged_noun_has_a_field_that_rendering_would_hide() -> None:
    tagged = [kind for kind in NOUNS if kind.__struct_config__.tag is not None]
    assert [kind.__name__ for kind in tagged if "kind" in kind.__struct_fields__] == []
