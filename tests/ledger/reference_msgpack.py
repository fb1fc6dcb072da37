"""The canonical byte form written a second time, by hand from the MessagePack specification.

The library that the ledger encodes with is not the definition of the wire format; these few lines are. They also write
each value in every longer form that the specification admits, all of which must be refused.
"""

import struct
from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias

import msgspec

Tree: TypeAlias = "bool | int | str | bytes | list[Tree] | None"

_INTEGERS = (("B", 0xCC, 8), (">H", 0xCD, 16), (">I", 0xCE, 32), (">Q", 0xCF, 64))
"""Struct format, first byte and bits of the unsigned integer forms, shortest first."""
_SIGNED = (("b", 0xD0, 7), (">h", 0xD1, 15), (">i", 0xD2, 31), (">q", 0xD3, 63))
_LENGTHS: dict[type, tuple[int | None, int, int]] = {
    str: (0xD9, 0xDA, 0xDB),
    bytes: (0xC4, 0xC5, 0xC6),
    list: (None, 0xDC, 0xDD),
}
"""First byte of the forms with a length of 8, 16 and 32 bits."""
_SHORT: dict[type, tuple[int, int]] = {str: (0xA0, 31), list: (0x90, 15)}
"""First byte and longest length of the forms that hold the length in that byte."""


def tree(value: object) -> Tree:
    """Return a noun as the arrays, integers, text and bytes that go on the wire."""
    if isinstance(value, Enum):
        return tree(value.value)
    if isinstance(value, tuple):
        return [tree(item) for item in value]
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        head: list[Tree] = [] if tag is None else [tree(tag)]
        return head + [tree(getattr(value, name)) for name in value.__struct_fields__]
    assert value is None or isinstance(value, bool | int | str | bytes)
    return value


def write(item: Tree) -> bytes:
    """Return the shortest form."""
    body = b"".join(write(part) for part in item) if isinstance(item, list) else b""
    return next(_forms(item, body))


def longer_forms(item: Tree) -> Iterator[bytes]:
    """Yield the encodings in which exactly one value has another form than the shortest."""
    parts = item if isinstance(item, list) else []
    written = [write(part) for part in parts]
    forms = _forms(item, b"".join(written))
    head = len(next(forms)) - sum(len(part) for part in written)
    yield from forms
    for index, part in enumerate(parts):
        before, after = b"".join(written[:index]), b"".join(written[index + 1 :])
        for other in longer_forms(part):
            yield write(item)[:head] + before + other + after


def _forms(item: Tree, body: bytes) -> Iterator[bytes]:
    """Yield every form of one value, shortest first; `body` is the encoded content of an array."""
    if item is None:
        yield b"\xc0"
    elif isinstance(item, bool):
        yield b"\xc3" if item else b"\xc2"
    elif isinstance(item, int):
        yield from _integer_forms(item)
    else:
        content = body if isinstance(item, list) else item.encode() if isinstance(item, str) else item
        yield from (head + content for head in _heads(type(item), len(item)))


def _integer_forms(value: int) -> Iterator[bytes]:
    assert 0 <= value < 2**64
    if value < 128:
        yield bytes([value])
    for layout, first, bits in (*_INTEGERS, *_SIGNED):
        if value < 2**bits:
            yield bytes([first]) + struct.pack(layout, value)
    if value <= 2**24:
        yield b"\xca" + struct.pack(">f", value)
    if value <= 2**53:
        yield b"\xcb" + struct.pack(">d", value)


def _heads(kind: type, length: int) -> Iterator[bytes]:
    if kind in _SHORT and length <= _SHORT[kind][1]:
        yield bytes([_SHORT[kind][0] + length])
    for first, (layout, bits) in zip(_LENGTHS[kind], (("B", 8), (">H", 16), (">I", 32)), strict=True):
        if first is not None and length < 2**bits:
            yield bytes([first]) + struct.pack(layout, length)
