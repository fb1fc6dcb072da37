"""What validators ask each other about snapshots, on connections of their own."""

from typing import TypeAlias

from ledger.encoding import Noun, decode, encode
from ledger.quantities import U16, HeightField
from node.transport.snapshot_link import QUESTION_BYTES_MAX


class ManifestAsked(Noun, frozen=True, kw_only=True, tag=1):
    """The newest manifest."""


class RangeAsked(Noun, frozen=True, kw_only=True, tag=2):
    """One range of the state after a height."""

    height: HeightField
    index: U16


Question: TypeAlias = ManifestAsked | RangeAsked


class _Wire(Noun, frozen=True, kw_only=True):
    question: Question


def encode_question(question: Question) -> bytes:
    """Return the bytes that ask."""
    return encode(_Wire(question=question))


def decode_question(data: bytes) -> Question:
    """Invert `encode_question`; raises MalformedEncoding or NonCanonicalEncoding."""
    return decode(data, _Wire, bytes_max=QUESTION_BYTES_MAX).question
