"""How records look in a prompt and in logs: bytes in hexadecimal, and long ones as their number only."""

from dataclasses import fields
from typing import Any

SHOWN_BYTES_MAX = 32
"""A digest is shown whole, as commands take it; a proof or a model is not shown."""


def short_repr(record: Any) -> str:  # noqa: ANN401 - any dataclass, as its `__repr__`
    """Return the repr of a dataclass on one line."""
    shown = ", ".join(f"{field.name}={_shown(getattr(record, field.name))}" for field in fields(record))
    return f"{type(record).__qualname__}({shown})"


def _shown(value: object) -> str:
    if not isinstance(value, bytes):
        return repr(value)
    return value.hex() if len(value) <= SHOWN_BYTES_MAX else f"<{len(value):,} bytes>"
