"""Metrics: gauges of now, counts since start, on a listener of their own."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from consensus.errors import ProtocolViolation
from ledger.entries import Accepted, Rejected, TransactionEntry
from ledger.quantities import Height, TimeMs, ValidatorId
from ledger.transactions import EnrolParticipant, SubmitUpdate
from node.alarms import AlarmKind, AlarmLevel
from node.config import MetricsSection
from node.metrics import MetricsServer, NodeMetrics
from quorate.ports import free_ports
from tests.consortium import signing_key
from tests.network import running_network
from tests.node.rest.served import Served, refused

NAMES = {
    "quorate_consensus_height",
    "quorate_consensus_view",
    "quorate_consensus_behind",
    "quorate_alarm",
    "quorate_link_connected",
    "quorate_mempool_transactions",
    "quorate_mempool_bytes",
    "quorate_blob_bytes",
    "quorate_consensus_base",
    "quorate_join_ranges",
    "quorate_join_ranges_here",
    "quorate_snapshot_height",
    "quorate_round_updates",
    "quorate_transactions",
    "quorate_view_changes",
    "quorate_protocol_violations",
    "quorate_equivocations",
}


@dataclass
class Scraped:
    served: Served
    metrics: NodeMetrics
    url: str
    begin: Height
    """Of the last block that was appended before anything was counted."""

    def samples(self) -> dict[tuple[str, str], float]:
        """Return every sample by its name and the value of its label."""
        families = text_string_to_metric_families(httpx.get(f"{self.url}/metrics").text)
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }


@pytest.fixture
def scraped(served: Served) -> Iterator[Scraped]:
    """Serve the metrics of the second node."""
    node = served.network.nodes[1]
    metrics = NodeMetrics(node.api.status)

    async def start() -> tuple[MetricsServer, "asyncio.Task[None]", Height]:
        node.application.on_appended(metrics.on_appended)
        listener = MetricsServer(metrics, MetricsSection(listen=f"127.0.0.1:{free_ports(1)[0]}"))
        return listener, asyncio.ensure_future(listener.serve()), node.api.height

    listener, serving, begin = served.run(start())
    yield Scraped(served, metrics, f"http://127.0.0.1:{listener.address[1]}", begin)

    async def stop() -> None:
        await listener.stop()
        await serving
        node.application._on_appended.remove(metrics.on_appended)

    served.run(stop())


def test_every_metric_of_the_contract_is_there_with_its_help(scraped: Scraped) -> None:
    response = httpx.get(f"{scraped.url}/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert set(families) == NAMES
    assert all(family.documentation for family in families.values())


def test_gauges_say_where_the_node_stands(scraped: Scraped) -> None:
    async def look() -> dict[str, float]:
        status = scraped.served.network.nodes[1].api.status()
        return {
            "quorate_consensus_height": status.height,
            "quorate_consensus_view": status.view,
            "quorate_consensus_behind": status.behind,
            "quorate_blob_bytes": status.blob_bytes,
            "quorate_mempool_transactions": status.mempool_transactions,
        }

    samples = scraped.samples()
    assert {(name, ""): value for name, value in scraped.served.run(look()).items()}.items() <= samples.items()
    peers = {label: value for (name, label), value in samples.items() if name == "quorate_link_connected"}
    assert peers == {"0": 1.0, "2": 1.0, "3": 1.0}


def test_alarms_are_gauges_by_kind(scraped: Scraped) -> None:
    alarms = scraped.served.network.nodes[1].api.alarms

    async def put() -> None:
        alarms.put(AlarmKind.CORRUPTION, AlarmLevel.CRITICAL, "facts", now=TimeMs(5), subject="facts")

    async def clear() -> None:
        alarms.clear(AlarmKind.CORRUPTION, subject="facts")

    def shown() -> dict[str, float]:
        return {label: value for (name, label), value in scraped.samples().items() if name == "quorate_alarm"}

    quiet = dict.fromkeys(("disk", "clock", "links", "corruption", "vote", "second-node", "protocol"), 0.0)
    assert shown() == quiet
    scraped.served.run(put())
    assert shown() == {**quiet, "corruption": 2.0}
    scraped.served.run(clear())
    assert shown() == quiet


def test_verdicts_are_counted_as_they_stand_in_the_log(scraped: Scraped) -> None:
    network, sites = scraped.served.network, scraped.served.sites
    node = network.nodes[1]

    async def compare() -> None:
        transactions: Counter[str] = Counter()
        updates: Counter[str] = Counter()
        for place in range(scraped.begin + 1, node.api.height + 1):
            for entry in node.chain.entries(Height(place)):
                if isinstance(entry, TransactionEntry):
                    verdict = entry.receipt.verdict
                    name = verdict.rule if isinstance(verdict, Rejected) else "accepted"
                    transactions[name] += 1
                    updates[name] += isinstance(entry.signed.transaction.body, SubmitUpdate)
        counted = {family.name: family.samples for family in scraped.metrics.collect()}
        for name, expected in (("quorate_transactions", transactions), ("quorate_round_updates", updates)):
            assert {sample.labels["verdict"]: sample.value for sample in counted[name]} == dict(+expected)

    body = EnrolParticipant(organisation="org-0", name="counted", key=signing_key("counted").public)
    verdicts = [scraped.served.run(network.submit(network.operator(0), body, node=1)).receipt.verdict for _ in range(2)]
    verdicts += [scraped.served.run(sites.take_part(4, 2, node=1)) for _ in range(2)]
    assert [type(verdict) for verdict in verdicts] == [Accepted, Rejected] * 2
    scraped.served.run(compare())
    samples = scraped.samples()
    for verdict in verdicts:
        name = verdict.rule if isinstance(verdict, Rejected) else "accepted"
        assert samples["quorate_transactions_total", name] >= 1


def test_violations_are_counted(scraped: Scraped) -> None:
    scraped.metrics.on_violation(ProtocolViolation(ValidatorId(2), "x"))
    assert scraped.samples()["quorate_protocol_violations_total", ""] == 1.0


def test_other_paths_and_methods_are_refused(scraped: Scraped) -> None:
    refused(httpx.get(f"{scraped.url}/"), "unknown-path", status=404)
    response = httpx.post(f"{scraped.url}/metrics")
    refused(response, "method-not-allowed", status=405)
    assert response.headers["allow"] == "GET, HEAD"
    head = httpx.head(f"{scraped.url}/metrics")
    assert (head.status_code, head.content) == (200, b"")


def test_nothing_is_put_into_the_global_registry(scraped: Scraped) -> None:
    scraped.samples()
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("quorate")]


def test_view_changes_are_counted(tmp_path: Path) -> None:
    async def scenario() -> tuple[float, int]:
        async with running_network(tmp_path) as network:
            lost = network.nodes[0].loop.engine.primary
            node = network.nodes[(lost + 1) % 4]
            metrics = NodeMetrics(node.api.status)
            node.on_event(metrics.on_event)
            await network.nodes[lost].stop()
            body = EnrolParticipant(organisation="org-0", name="a", key=signing_key("a").public)
            await network.submit(network.operator(0), body, node=(lost + 1) % 4)
            families = {family.name: family for family in metrics.collect()}
            return families["quorate_view_changes"].samples[0].value, node.loop.engine.view

    changes, view = asyncio.run(scenario())
    assert changes >= 1
    assert view >= 1
