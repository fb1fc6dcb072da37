"""Headers as HTTP writes them: accepted forms, base64url statements, digests, entity tags and ranges.

RFC 9110 (Accept, If-None-Match, Range), RFC 9530 (Content-Digest), RFC 4648 section 5 (base64url).
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ledger.encoding import decode
from ledger.errors import MalformedEncoding
from ledger.hashing import Digest
from node.rest.errors import NotAcceptable, RangeNotSatisfiable

JSON = "application/json"
MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"
PROBLEM = "application/problem+json"

STATEMENT_CHARACTERS_MAX = 2_048
"""Tickets and read requests take some 300; checked before decoding."""

_BASE64URL = re.compile(r"\A([A-Za-z0-9_-]*)={0,2}\Z")
_DIGEST_MEMBER = re.compile(r"\A\s*sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):\s*\Z")
_RANGE = re.compile(r"\Abytes\s*=\s*([0-9]{0,18})-([0-9]{0,18})\Z", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Bytes of a representation that an answer carries."""

    start: int
    end: int
    """Behind the last one."""


def accepted_form(accept: str | None, offered: tuple[str, ...]) -> str:
    """Return the offered media type that an Accept header likes best, the first one if it does not care.

    Raises NotAcceptable.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_media_range(part) for part in accept.split(",")]
    liked = {form: _quality(form, ranges) for form in offered}
    best = max(offered, key=lambda form: liked[form])  # the first one among equals
    if liked[best] <= 0:
        raise NotAcceptable("Accept", expected=" or ".join(offered), got=accept)
    return best


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [value for key, _, value in (item.partition("=") for item in parameters) if key.strip() == "q"]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0


def _quality(form: str, ranges: list[tuple[str, float]]) -> float:
    """Return the weight of the most specific range that covers a media type."""
    for name in (form, f"{form.partition('/')[0]}/*", "*/*"):
        found = [weight for covered, weight in ranges if covered == name]
        if found:
            return max(found)
    return 0.0


def decode_statement(text: str, kind: type[T]) -> T:
    """Return the signed noun in a header: base64url of its canonical bytes, padded or not.

    Raises MalformedEncoding, NonCanonicalEncoding.
    """
    what = f"base64url of a {kind.__name__}"
    if len(text) > STATEMENT_CHARACTERS_MAX:
        raise MalformedEncoding(what, expected=f"at most {STATEMENT_CHARACTERS_MAX} characters", got=len(text))
    found = _BASE64URL.match(text)
    if found is None or len(found[1]) % 4 == 1:
        raise MalformedEncoding(what, expected="A-Z, a-z, 0-9, - and _", got=text)
    return decode(base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)), kind)


def content_digest(digest: Digest) -> str:
    """Return a Content-Digest or Repr-Digest field."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def stated_digest(field: str) -> Digest | None:
    """Return the SHA-256 that a Content-Digest field states, or None if it states others only.

    Raises MalformedEncoding for a sha-256 that is none.
    """
    for member in field.split(","):
        if member.strip().lower().startswith("sha-256"):
            found = _DIGEST_MEMBER.match(member)
            if found is None:
                raise MalformedEncoding("Content-Digest", expected="sha-256=:base64:", got=field)
            return Digest(base64.b64decode(found[1]))
    return None


def entity_tag(digest: Digest) -> str:
    """Return the strong entity tag of what has this digest."""
    return f'"{digest.hex()}"'


def is_known(tag: str, if_none_match: Iterable[str]) -> bool:
    """Return whether the caller has what carries this tag: the answer is then 304."""
    known = [item.strip().removeprefix("W/") for field in if_none_match for item in field.split(",")]
    return tag in known or "*" in known


def requested_span(field: str | None, *, size: int) -> Span | None:
    """Return the part that a Range header asks for; None for all: no header, several ranges, or another unit.

    Raises RangeNotSatisfiable, with the size in Content-Range.
    """
    found = _RANGE.match(field.strip()) if field is not None else None
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < int(found[1]):
            return None
    else:
        start, end = max(0, size - int(found[2])), size
    if start >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        raise RangeNotSatisfiable("Range", expected=f"bytes below {size}", got=field, headers=headers)
    return Span(start=start, end=end)
