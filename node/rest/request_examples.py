"""Examples of what callers send that is not JSON, in the form in which an OpenAPI document can hold them.

A JSON string holds a body as one character a byte: OpenAPI has no other form for bytes that are not text. Its
description repeats them in hexadecimal, for people.
"""

import base64
from typing import Any

from ledger.encoding import Noun, encode


def body_content(media_type: str, example: bytes, summary: str, **bounds: int) -> dict[str, Any]:
    """Return the content of a body of bytes within the bounds of a schema, with an example."""
    shown = {
        "summary": summary,
        "description": f"One character a byte; in hexadecimal: {example.hex()}",
        "value": example.decode("latin-1"),
    }
    schema = {"type": "string", "contentEncoding": "binary", **bounds}
    return {media_type: {"schema": schema, "examples": {"example": shown}}}


def header_example(noun: Noun, *, scheme: str = "") -> str:
    """Return the sentence that shows a header with a signed statement: base64url of its canonical bytes."""
    statement = base64.urlsafe_b64encode(encode(noun)).decode().rstrip("=")
    return f"Example: `{scheme}{statement}`."
