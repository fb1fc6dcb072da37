"""Nouns as plain JSON values: field names, digests and keys in hexadecimal, enumerations by name."""

from enum import Enum
from typing import TypeAlias

import msgspec

Plain: TypeAlias = bool | int | str | list["Plain"] | dict[str, "Plain"] | None


def plain(value: object) -> Plain:
    """Return `value` as JSON can hold it; a tagged noun gets its class name as `kind`."""
    if isinstance(value, Enum):
        return value.name.lower().replace("_", "-")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    assert isinstance(value, msgspec.Struct), type(value)
    fields: dict[str, Plain] = {}
    if value.__struct_config__.tag is not None:
        fields["kind"] = type(value).__name__
    for name in value.__struct_fields__:
        fields[name] = plain(getattr(value, name))
    return fields
