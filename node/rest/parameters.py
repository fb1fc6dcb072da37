"""Parameters in path and query: what each may be, and that no other is taken."""

from typing import Annotated, cast

from fastapi import Path, Query, Request
from fastapi.routing import APIRoute

from ledger.hashing import Digest, sha256
from node.rest import examples
from node.rest.errors import InvalidParameter, UnknownParameter

DigestPath = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 in lower-case hexadecimal.",
        examples=[sha256(examples.LAYOUT_BLOB).hex()],
    ),
]
HeightPath = Annotated[
    str, Path(pattern="^(latest|[0-9]{1,18})$", description="Height of a block, or `latest`.", examples=["latest"])
]
EraPath = Annotated[str, Path(pattern="^[0-9]{1,18}$", description="Number of an era.", examples=["1"])]
TaskPath = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="Name of a task.", examples=["cardio"])]
RoundPath = Annotated[
    str, Path(pattern="^(current|[0-9]{1,18})$", description="Number of a round, or `current`.", examples=["current"])
]
VersionPath = Annotated[
    str,
    Path(pattern="^(latest|[0-9]{1,18})$", description="Version of a global model, or `latest`.", examples=["latest"]),
]
CodePath = Annotated[str, Path(pattern="^[a-z0-9-]{1,64}$", description="Code of a problem.", examples=["not-found"])]
WaitQuery = Annotated[
    int | None,
    Query(
        ge=0,
        description="Milliseconds to hold the call until the outcome is known; the node sets the longest.",
        examples=[5_000],
    ),
]
ProofQuery = Annotated[
    bool, Query(description="Add the canonical StateEntryProof of the record, in hexadecimal.", examples=[True])
]


def as_digest(text: str) -> Digest:
    """Return the digest that a DigestPath names."""
    return Digest(bytes.fromhex(text))


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise UnknownParameter, or InvalidParameter for one that is given twice; a dependency of every route."""
    route = cast("APIRoute", request.scope["route"])
    known = [parameter.alias for parameter in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            raise UnknownParameter(f"parameter {name}", expected=", ".join(known) or "none", got=name)
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidParameter(f"parameter {name}", expected="it once", got="it several times")
