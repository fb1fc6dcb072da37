"""Numbers and names, each with a type of its own, and the arithmetic of quorums.

`mypy` then refuses `view=Height(1)`. The `...Field` aliases are the same types with the bounds that decoding enforces.
"""

from typing import Annotated, NewType

from msgspec import Meta

U63_MAX = 2**63 - 1
"""Largest integer in a signed structure; what may be larger travels as minimal big-endian bytes."""

Height = NewType("Height", int)
"""Place of a block in the chain; genesis is 0. PBFT's sequence number."""
View = NewType("View", int)
"""Tenure of one primary within an era."""
Era = NewType("Era", int)
"""Life of one validator set."""
RoundNumber = NewType("RoundNumber", int)
"""One training iteration of a task, counted from 1."""
ModelVersion = NewType("ModelVersion", int)
"""Place of a global model in its task's lineage; the initial model is 0."""
TimeMs = NewType("TimeMs", int)
"""Milliseconds since 1970-01-01T00:00Z, as block headers carry them."""
ValidatorId = NewType("ValidatorId", int)
"""Registry number of a validator; never reused, so it survives key rotation."""
ParticipantId = NewType("ParticipantId", int)
"""Registry number of a participant; order and ties of aggregation go by it."""

_U63 = Meta(ge=0, le=U63_MAX)
U63 = Annotated[int, _U63]
U16 = Annotated[int, Meta(ge=0, le=2**16 - 1)]
HeightField = Annotated[Height, _U63]
ViewField = Annotated[View, _U63]
EraField = Annotated[Era, _U63]
RoundField = Annotated[RoundNumber, _U63]
VersionField = Annotated[ModelVersion, _U63]
TimeField = Annotated[TimeMs, _U63]
ValidatorField = Annotated[ValidatorId, _U63]
ParticipantField = Annotated[ParticipantId, _U63]

Name = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\Z")]
"""Name of an organisation, participant or task: lower-case ASCII, digits and hyphens, at most 63 characters."""

VALIDATORS_MIN = 4
"""Fewer tolerate no Byzantine validator."""
VALIDATORS_MAX = 25
"""All-to-all voting and certificates of plain signatures are sized for this many."""


def faulty_max(validators: int) -> int:
    """Return f, the most Byzantine validators that `validators` of them tolerate (Castro & Liskov 1999, 3)."""
    return (validators - 1) // 3


def quorum(validators: int) -> int:
    """Return the smallest set size of which any two share an honest validator, for every n (not only 3f+1)."""
    return (validators + faulty_max(validators)) // 2 + 1


def weak_quorum(validators: int) -> int:
    """Return f + 1: at least one of so many is honest."""
    return faulty_max(validators) + 1
