"""What command lines write as text: names, digests, models."""

import re

from ledger.hashing import Digest
from quorate.errors import UsageError


def parse_name(text: str, what: str = "name of a task") -> str:
    """Return a name as chains have them; raises UsageError."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text) is None:
        raise UsageError(what, expected="at most 63 lower-case letters, digits and hyphens", got=repr(text))
    return text


def parse_digest(text: str, what: str) -> Digest:
    """Return a digest written in hexadecimal; raises UsageError."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""  # of another length, too
    if len(data) != 32:
        raise UsageError(what, expected="64 hexadecimal digits, as --format json has them", got=repr(text))
    return Digest(data)


def parse_model(text: str) -> tuple[str, int | None]:
    """Return task and version of `TASK` or `TASK@VERSION`; raises UsageError."""
    task, at, version = text.partition("@")
    if at and not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise UsageError("global model", expected="TASK or TASK@VERSION, such as cardio@3", got=repr(text))
    return parse_name(task), int(version) if at else None
