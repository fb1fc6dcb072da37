"""Forms of the answers that are no records, for the OpenAPI document and for the tests that hold answers against it.

Answers are not built from these models: they are rendered by `ledger.rendering.plain` and encoded at once. Each model
carries an example.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from node.rest import examples
from node.rest.noun_schemas import Answer

HexDigest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=0)]


def example_of(**values: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """Return the configuration of a model with this example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Version(Answer):
    """Versions of the software, the protocol, the database's schema and Python."""

    model_config = example_of(software="0.1.0", protocol=1, schema=1, python="3.11.7")

    software: str
    protocol: Number
    schema_: Number = Field(alias="schema")
    python: str


class Peer(Answer):
    """Another validator as this node sees it."""

    validator: Number
    connected: bool
    head: Number | None
    clock_offset_ms: int | None
    clock_error_ms: Number | None


class Alarm(Answer):
    """Something that the node's operator must know of."""

    kind: str
    subject: str
    level: Literal["warning", "critical"]
    detail: str
    since: Number


class Joining(Answer):
    """A join from a snapshot: the height of its checkpoint, and how many ranges of the state are fetched."""

    height: Number
    ranges: Number
    ranges_here: Number


class Upcoming(Answer):
    """A version of the rules that is decided and not in force yet, and the first block of it."""

    version: Number
    height: Number


class Status(Answer):
    """Where the node stands, and which chain it belongs to."""

    model_config = example_of(
        validator=0,
        seat="validator",
        software="0.1.0",
        protocol=1,
        upcoming=None,
        clock=examples.TIME,
        height=9,
        head=examples.HEADER.digest.hex(),
        time=examples.TIME,
        state_root=examples.HEADER.state_root.hex(),
        era=0,
        view=0,
        primary=2,
        active=True,
        behind=False,
        mempool_transactions=0,
        mempool_bytes=0,
        blob_bytes=4_096,
        peers=[{"validator": 1, "connected": True, "head": 9, "clock_offset_ms": -3, "clock_error_ms": 1}],
        alarms=[],
        base=0,
        snapshot=9_000,
        joining=None,
        chain_id=examples.HEADER.chain_id.hex(),
        chain="cardiology",
        organisation="hospital-a",
        quorum=3,
        validators=4,
    )

    validator: Number | None
    seat: Literal["validator", "learner", "left", "none"]
    software: str
    protocol: Number
    upcoming: Upcoming | None = Field(description="The next version of the rules, if one is decided.")
    clock: Number
    height: Number
    head: HexDigest
    time: Number
    state_root: HexDigest
    era: Number
    view: Number
    primary: Number
    active: bool
    behind: bool
    mempool_transactions: Number
    mempool_bytes: Number
    blob_bytes: Number
    peers: list[Peer]
    alarms: list[Alarm]
    base: Number = Field(description="Height up to which this node has no blocks, having joined from a snapshot.")
    snapshot: Number | None = Field(description="Height of the newest snapshot that it keeps for others.")
    joining: Joining | None = Field(description="A join from a snapshot that is under way.")
    chain_id: HexDigest
    chain: str
    organisation: str
    quorum: Number
    validators: Number


class Probe(Answer):
    """The process answers."""

    model_config = example_of(status="ok")

    status: Literal["ok"]


class Check(Answer):
    """One reason to send callers here, or elsewhere."""

    name: str
    ok: bool
    detail: str


class Readiness(Answer):
    """Whether callers should be sent here."""

    model_config = example_of(
        status="ok",
        checks=[{"name": "quorum", "ok": True, "detail": "4 of 4 validators in reach, itself included; 3 needed"}],
    )

    status: Literal["ok", "unavailable"]
    checks: list[Check]
    alarms: list[Alarm] = Field(default=[], description="Only with `verbose`.")


class Problem(Answer):
    """A problem document (RFC 9457): why a request was refused."""

    model_config = example_of(
        type="/problems/not-found",
        title="Not found",
        status=404,
        detail="task: expected a registered one, got cardio",
        code="not-found",
        expected="a registered one",
        got="cardio",
    )

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
    hint: str | None = None
    expected: str | None = None
    got: str | None = None


class ProblemType(Answer):
    """What the problems of one code have in common."""

    model_config = example_of(
        code="not-found",
        title="Not found",
        meaning="The chain holds no such thing at the height of this answer.",
        hint="",
        status=404,
    )

    code: str
    title: str
    meaning: str
    hint: str
    status: Annotated[int, Field(ge=400, le=599)]


class BlockSummary(Answer):
    """A block in a list."""

    height: Number
    digest: HexDigest
    time: Number
    proposer: Number
    transactions: Number
    entries: Number
    view: Number | None
    signers: list[Number]


class BlockPage(Answer):
    """Blocks, newest first."""

    model_config = example_of(
        blocks=[
            {
                "height": 9,
                "digest": examples.HEADER.digest.hex(),
                "time": examples.TIME,
                "proposer": 1,
                "transactions": 1,
                "entries": 1,
                "view": 0,
                "signers": [0, 1, 2],
            }
        ],
        next=9,
    )

    blocks: list[BlockSummary]
    next: Number | None
