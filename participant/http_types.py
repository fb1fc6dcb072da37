"""Answers of the HTTP interface, as far as they are read here; a field that is not named is passed over.

Nothing in them is believed where a proof can be had: proofs arrive as hexadecimal of canonical bytes.
"""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

_Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z")]


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what arrives as JSON."""


class Problem(_Answer, frozen=True, kw_only=True):
    """RFC 9457 problem document."""

    code: str
    detail: str = ""
    hint: str = ""


class Submitted(_Answer, frozen=True, kw_only=True):
    """Answer to a transaction."""

    status: str
    """pending or final."""


class Finality(_Answer, frozen=True, kw_only=True):
    """Where a transaction stands."""

    status: str
    proof: _Hex = ""
    """Canonical EntryProof, once it is final."""


class Uploaded(_Answer, frozen=True, kw_only=True):
    """Answer to an upload."""

    recorded: bool


class EraProof(_Answer, frozen=True, kw_only=True):
    """The beginning of an era."""

    boundary: _Hex
    """Canonical EraBoundary."""


class Proven(_Answer, frozen=True, kw_only=True):
    """A record of state."""

    proof: _Hex
    """Canonical StateEntryProof of it."""


class Participation(_Answer, frozen=True, kw_only=True):
    """What a participant has done in a round, on the node's word."""

    attempts: int = 0
    blob: _Hex | None = None
    fate: str | None = None


class ProvenRound(Proven, frozen=True, kw_only=True):
    """A round, and on the node's word what its participants have done."""

    participations: dict[str, Participation]
    """By registry number."""


class Enrolled(_Answer, frozen=True, kw_only=True):
    """A participant."""

    participant: int
    key: _Hex


class Registry(_Answer, frozen=True, kw_only=True):
    """All participants, on the node's word."""

    participants: list[Enrolled]


def decode_answer(data: bytes, kind: type[T]) -> T:
    """Return a JSON answer of type `kind`; raises ValueError for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise ValueError("too many levels") from error
