"""What a blob is, told by its first bytes, and its facts: the one entry point of a node's worker.

Layouts and reports are canonical MessagePack that begins with their tag; updates and models are canonical files, told
apart by the element type of their first tensor. Each kind has one beginning, so no blob has two readings.
"""

import re
from enum import Enum

from aggregation.canonical_file import Buffer
from aggregation.errors import LayoutMismatch, UnknownBlob
from aggregation.layouts import LAYOUT_BYTES_MAX, decode_layout, layout_facts
from aggregation.model_file import model_facts
from aggregation.reports import REPORT_BYTES_MAX, Report, report_facts
from aggregation.update_file import update_facts
from ledger.blobs import BlobFacts
from ledger.encoding import Noun, encode
from ledger.errors import TooLarge
from ledger.tasks import Layout

SNIFF_BYTES = 160
"""As much of a blob's beginning as always tells its kind."""


class BlobKind(Enum):
    """What can be recorded."""

    LAYOUT = "layout"
    REPORT = "report"
    UPDATE = "update"
    MODEL = "model"


def _tagged(noun: type[Noun]) -> bytes:
    """Return how the canonical form of a noun begins: a short array, then its tag."""
    return bytes([0x90 | 1 + len(noun.__struct_fields__)]) + encode(noun.__struct_config__.tag)


_LAYOUT, _REPORT = _tagged(Layout), _tagged(Report)
_FILE = re.compile(rb'.{8}\{"[A-Za-z0-9._-]{1,128}":\{"dtype":"(I32|I64)"', re.DOTALL)


def sniff(beginning: bytes) -> BlobKind:
    """Return the kind of the blob that begins with these bytes, SNIFF_BYTES of them or all; raises UnknownBlob."""
    if beginning.startswith(_LAYOUT):
        return BlobKind.LAYOUT
    if beginning.startswith(_REPORT):
        return BlobKind.REPORT
    file = _FILE.match(beginning)
    if file is None:
        raise UnknownBlob("blob", expected="a layout, report, update or model", got=f"{beginning[:16].hex()}...")
    return BlobKind.UPDATE if file[1] == b"I32" else BlobKind.MODEL


def facts_of(buffer: Buffer, layout: Layout | None) -> BlobFacts:
    """Return the facts of a blob; updates and models are checked against `layout`.

    Raises UnknownBlob, LayoutMismatch where a layout is needed and none was named, and what the kind's own function
    does.
    """
    kind = sniff(bytes(buffer[:SNIFF_BYTES]))
    if kind is BlobKind.LAYOUT:
        return layout_facts(decode_layout(_whole(buffer, kind, LAYOUT_BYTES_MAX)))
    if kind is BlobKind.REPORT:
        return report_facts(_whole(buffer, kind, REPORT_BYTES_MAX))
    if layout is None:
        raise LayoutMismatch(f"layout of the {kind.value}", expected="the digest of a recorded layout", got="none")
    return update_facts(buffer, layout) if kind is BlobKind.UPDATE else model_facts(buffer, layout)


def _whole(buffer: Buffer, kind: BlobKind, bytes_max: int) -> bytes:
    """Return the buffer as bytes; raises TooLarge before copying."""
    if len(buffer) > bytes_max:
        raise TooLarge(kind.value, expected=f"at most {bytes_max} bytes", got=f"{len(buffer)} bytes")
    return bytes(buffer)
