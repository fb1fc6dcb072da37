"""Headers: accepted forms, statements, digests, tags and ranges."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.blobs import ReadRequest, SignedReadRequest
from ledger.encoding import encode
from ledger.errors import MalformedEncoding, NonCanonicalEncoding
from ledger.hashing import Digest, sha256
from ledger.quantities import Height
from node.rest.errors import NotAcceptable, RangeNotSatisfiable
from node.rest.media import (
    JSON,
    MSGPACK,
    STATEMENT_CHARACTERS_MAX,
    Span,
    accepted_form,
    content_digest,
    decode_statement,
    is_known,
    requested_span,
    stated_digest,
)
from tests.consortium import signing_key

KEY = signing_key("reader")
FORMS = (JSON, MSGPACK)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (MSGPACK, MSGPACK),
        ("Application/MsgPack", MSGPACK),
        ("text/html, application/msgpack;q=0.1", MSGPACK),
        ("application/json;q=0.5, application/msgpack", MSGPACK),
        ("application/msgpack;q=0.5, */*", JSON),
        ("application/json;q=0, */*;q=0.1", MSGPACK),
        ("application/msgpack; charset=x; q=0.9, application/json;q=0.8", MSGPACK),
        ("application/json;q=high, application/msgpack;q=0.1", MSGPACK),
    ],
)
def test_the_form_that_the_caller_likes_best_is_chosen(accept: str | None, form: str) -> None:
    assert accepted_form(accept, FORMS) == form


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "text/*, image/png", "garbage", ";;,"])
def test_a_caller_that_accepts_no_form_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        accepted_form(accept, FORMS)


@given(st.text(max_size=50))
@settings(deadline=None)
def test_any_accept_is_answered_or_refused(accept: str) -> None:
    with suppress(NotAcceptable):
        assert accepted_form(accept, FORMS) in FORMS


def read_request(blob: bytes, expires: int) -> SignedReadRequest:
    request = ReadRequest(chain_id=sha256(b"chain"), author=KEY.public, blob=Digest(blob), expires=Height(expires))
    return SignedReadRequest.sign(request, KEY)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1), st.booleans())
@settings(deadline=None, max_examples=50)
def test_a_statement_comes_back_padded_or_not(blob: bytes, expires: int, padded: bool) -> None:  # noqa: FBT001
    request = read_request(blob, expires)
    text = base64.urlsafe_b64encode(encode(request)).decode()
    assert decode_statement(text if padded else text.rstrip("="), SignedReadRequest) == request


@given(st.text(max_size=100))
@settings(deadline=None)
def test_text_that_is_no_statement_is_malformed(text: str) -> None:
    with pytest.raises(MalformedEncoding):
        decode_statement(text, SignedReadRequest)


def test_a_statement_is_canonical() -> None:
    raw = encode(read_request(bytes(32), 5))
    with pytest.raises(NonCanonicalEncoding):
        decode_statement(base64.urlsafe_b64encode(b"\xdc\x00\x02" + raw[1:]).decode(), SignedReadRequest)


def test_a_statement_is_measured_before_it_is_decoded() -> None:
    with pytest.raises(MalformedEncoding, match="at most 2048 characters"):
        decode_statement("A" * (STATEMENT_CHARACTERS_MAX + 1), SignedReadRequest)


@given(st.binary(min_size=32, max_size=32))
@settings(deadline=None, max_examples=50)
def test_a_content_digest_comes_back(digest: bytes) -> None:
    assert stated_digest(content_digest(Digest(digest))) == digest


@pytest.mark.parametrize("field", ["", "sha-512=:AAAA:", "unixsum=1"])
def test_other_digests_state_nothing(field: str) -> None:
    assert stated_digest(field) is None


@pytest.mark.parametrize("field", ["sha-256", "sha-256=abc", "sha-256=:AAAA:", f"sha-256=:{'A' * 43}:", "SHA-256=:x:"])
def test_a_broken_digest_is_malformed(field: str) -> None:
    with pytest.raises(MalformedEncoding):
        stated_digest(field)


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ([], False),
        (['"a"'], True),
        (['"b"'], False),
        (['"b"', '"c", "a"'], True),
        (['W/"a"'], True),
        (["*"], True),
        (["a"], False),
        (['"ab"'], False),
    ],
)
def test_a_caller_has_what_it_names(fields: list[str], known: bool) -> None:  # noqa: FBT001
    assert is_known('"a"', fields) is known


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(0, 70)), st.one_of(st.none(), st.integers(0, 70)))
@settings(deadline=None, max_examples=300)
def test_a_range_selects_what_slicing_a_string_would(size: int, first: int | None, last: int | None) -> None:
    whole = bytes(range(size))
    field = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        expected = None if last is None else whole[-last:] if last else b""
    elif last is not None and last < first:
        expected = None
    else:
        expected = whole[first : None if last is None else last + 1]
    if expected == b"":
        with pytest.raises(RangeNotSatisfiable) as caught:
            requested_span(field, size=size)
        assert caught.value.headers == {"Content-Range": f"bytes */{size}"}
    else:
        span = requested_span(field, size=size)
        assert (None if span is None else whole[span.start : span.end]) == expected


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_range_is_a_span_of_the_blob_or_all_or_refused(field: str) -> None:
    try:
        span = requested_span(field, size=10)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.start < span.end <= 10


def test_no_range_is_all() -> None:
    assert requested_span(None, size=10) is None
    assert requested_span("bytes=2-3", size=10) == Span(start=2, end=4)
