"""All validators of a chain asked at the same time where each stands, for `status --all` and `doctor`."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from ledger.quantities import VALIDATORS_MAX
from participant.errors import MalformedAnswer, NodeFault
from participant.node import Node, Request

STATUS = Request(method="GET", path="/v1/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A validator and where callers reach it."""

    validator: int
    organisation: str
    url: str | None
    """None if the chain does not say."""
    link_address: str | None
    """Where the others dial it; None as well."""
    vote_key: bytes
    link_certificate: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one validator said, or why it said nothing."""

    place: Place
    status: dict[str, Any] | None
    error: NodeFault | ConfigurationError | None
    offset_ms: int
    """How far its clock is ahead of this host's."""
    error_ms: int
    """Bound on the error of that: half of the round trip."""


def places_of(node: Node) -> list[Place]:
    """Return the validators of now, as a node says; raises NodeFault."""
    found = node.json(Request(method="GET", path="/v1/validators"), dict[str, Any])
    try:
        listed = [
            Place(
                validator=int(it["id"]),
                organisation=str(it["organisation"]),
                url=it["rest_url"],
                link_address=it["link_address"],
                vote_key=bytes.fromhex(it["vote_key"]),
                link_certificate=bytes.fromhex(it["link_certificate"]),
            )
            for it in found["validators"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswer(node.url, f"/v1/validators: {type(error).__name__}: {error}") from error
    return listed[:VALIDATORS_MAX]


def places_in(genesis: Genesis) -> list[Place]:
    """Return the validators with which a chain began."""
    return [
        Place(
            validator=member.id,
            organisation=member.organisation,
            url=genesis.descriptors[member.id].rest_url,
            link_address=genesis.descriptors[member.id].link_address,
            vote_key=member.vote_key,
            link_certificate=member.link_certificate,
        )
        for member in genesis.validators.members
    ]


def ask_all(places: Sequence[Place]) -> list[Sighting]:
    """Ask all at once; nobody waits for who does not answer longer than for one."""
    with httpx.Client(follow_redirects=False) as http, ThreadPoolExecutor(max(1, len(places))) as pool:
        return list(pool.map(lambda place: _ask(place, http), places))


def _ask(place: Place, http: httpx.Client) -> Sighting:
    before, began = time.time_ns(), time.monotonic_ns()
    try:
        status = Node(place.url or "", http).json(STATUS, dict[str, Any])
        half = (time.monotonic_ns() - began) / 2e6
        offset = int(status["clock"]) - (before / 1e6 + half)
        _check_form(str(place.url), status)
    except (NodeFault, ConfigurationError) as error:
        return Sighting(place=place, status=None, error=error, offset_ms=0, error_ms=0)
    except (KeyError, TypeError, ValueError) as error:
        fault = MalformedAnswer(str(place.url), f"{STATUS}: {type(error).__name__}: {error}")
        return Sighting(place=place, status=None, error=fault, offset_ms=0, error_ms=0)
    return Sighting(place=place, status=status, error=None, offset_ms=round(offset), error_ms=round(half) + 1)


def _check_form(url: str, status: dict[str, Any]) -> None:
    """Raise MalformedAnswer unless a status has what is shown of it, in the right form."""
    numbers = ("height", "view", "primary", "time", "protocol", "validator", "clock")
    texts = ("chain_id", "software", "head")
    alarms, coming = status["alarms"], status["upcoming"]
    fits = (
        all(type(status[name]) is int for name in numbers)
        and all(type(status[name]) is str for name in texts)
        and all(type(status[name]) is bool for name in ("active", "behind"))
        and (coming is None or all(type(coming[name]) is int for name in ("version", "height")))
        and all(isinstance(alarm, dict) and type(alarm["kind"]) is str for alarm in alarms)
    )
    if not fits:
        raise MalformedAnswer(url, f"{STATUS}: a field of another form")
