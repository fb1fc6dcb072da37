"""The client of `make bench-consensus` counts what became final, and nothing else."""

import asyncio
import math

import pytest

from benchmarks import over_rest
from benchmarks.results import Sample
from ledger.encoding import encode
from ledger.transactions import EnrolParticipant
from tests.consortium import signing_key
from tests.network import signed
from tests.node.rest.served import Served


def enrolments(served: Served, count: int, *, per_request: int) -> list[bytes]:
    """Return transactions that enrol sites which no other test enrols."""
    names = [f"measured-{per_request}-{number}" for number in range(count)]
    bodies = [EnrolParticipant(organisation="org-0", name=name, key=signing_key(name).public) for name in names]
    author, genesis = served.network.operator(0), served.network.genesis
    return [encode(signed(author, body, genesis, valid_until=5_000)) for body in bodies]


def measure(served: Served, raws: list[bytes], *, per_request: int) -> int:
    """Return how many of these transactions the client counts."""
    host, _, port = served.configuration.rest.listen.rpartition(":")
    sample = Sample(begin=0.0, end=math.inf)
    asyncio.run(over_rest._client((host, int(port)), iter(raws), sample, per_request))
    return len(sample.latencies_ms)


@pytest.mark.parametrize("per_request", [1, 4])
def test_each_transaction_that_is_final_counts_once(served: Served, per_request: int) -> None:
    assert measure(served, enrolments(served, 6, per_request=per_request), per_request=per_request) == 6


def test_what_waits_does_not_count(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_rest, "WAIT_MS", 0)
    assert measure(served, enrolments(served, 3, per_request=3), per_request=3) == 0


@pytest.mark.parametrize("per_request", [1, 2])
def test_what_is_refused_ends_the_run(served: Served, per_request: int) -> None:
    with pytest.raises(ValueError, match="malformed-encoding"):
        measure(served, [b""] * per_request, per_request=per_request)
