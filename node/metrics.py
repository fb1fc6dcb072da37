"""What Prometheus may scrape: where the node stands, read when it asks, and counts of what has happened since start.

On a listener of its own, in the node's event loop: a thread would read the database while the node writes it. The
listener has no certificate and names no secrets; it is off unless `metrics.listen` names an address.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from consensus.errors import ProtocolViolation
from consensus.ports import Event
from contracts.chain import ExecutedBlock
from ledger.entries import Accepted, TransactionEntry, Verdict
from ledger.transactions import SubmitUpdate
from node.alarms import AlarmKind
from node.config import MetricsSection
from node.rest.errors import MethodNotAllowed, UnknownPath
from node.rest.problems import problem_answer
from node.rest.server import HttpServer
from node.runtime.status import NodeStatus
from node.transport.sockets import parse_address

PATH = "/metrics"
CONNECTIONS_MAX = 16
"""Scrapers come one at a time, every few seconds."""
VIEW_ENTERED = "view-entered"
"""Consensus' name for the event of a view that was entered by a view change."""
EQUIVOCATION = "equivocation"
"""Its name for the event of an offence that was found or heard of."""


class NodeMetrics(Collector):
    """Counts what the node reports, and answers /metrics."""

    def __init__(self, status: Callable[[], NodeStatus]) -> None:
        """Read the gauges from `status` at each scrape."""
        self._status = status
        self._transactions: Counter[str] = Counter()
        self._updates: Counter[str] = Counter()
        self._view_changes = 0
        self._equivocations = 0
        self._violations = 0

    def on_appended(self, executed: ExecutedBlock) -> None:
        """Count the verdicts of a block (`ChainApplication.on_appended`)."""
        for entry in executed.entries:
            if isinstance(entry, TransactionEntry):
                verdict = _verdict(entry.receipt.verdict)
                self._transactions[verdict] += 1
                if isinstance(entry.signed.transaction.body, SubmitUpdate):
                    self._updates[verdict] += 1

    def on_event(self, event: Event) -> None:
        """Count view changes and contradictions of validators (`Node.on_event`)."""
        self._view_changes += event.name == VIEW_ENTERED
        self._equivocations += event.name == EQUIVOCATION

    def on_violation(self, _error: ProtocolViolation) -> None:
        """Count what peers did against the protocol (`Node.on_violation`)."""
        self._violations += 1

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, as prometheus_client asks for them."""
        status = self._status()
        gauges: dict[str, tuple[str, float]] = {
            "quorate_consensus_height": ("Height of the appended head.", status.height),
            "quorate_consensus_view": ("View of the engine.", status.view),
            "quorate_consensus_behind": ("1 while a decided block is known to be missing here.", status.behind),
            "quorate_mempool_transactions": ("Transactions that wait to be ordered.", status.mempool_transactions),
            "quorate_mempool_bytes": ("Bytes of the transactions that wait.", status.mempool_bytes),
            "quorate_consensus_base": ("Height up to which there are no blocks here.", status.base),
            "quorate_snapshot_height": ("Height of the newest snapshot; 0 for none.", status.snapshot or 0),
            "quorate_join_ranges": (
                "Ranges of the state that a join has to fetch; 0 while none is under way.",
                0 if status.joining is None else status.joining.ranges,
            ),
            "quorate_join_ranges_here": (
                "Of those, fetched and verified.",
                0 if status.joining is None else status.joining.ranges_here,
            ),
            "quorate_blob_bytes": ("Bytes of all stored blobs.", status.blob_bytes),
        }
        for name, (meaning, value) in gauges.items():
            yield GaugeMetricFamily(name, meaning, value=float(value))
        links = GaugeMetricFamily("quorate_link_connected", "1 while the peer is connected.", labels=["validator"])
        for peer in status.peers:
            links.add_metric([str(peer.validator)], float(peer.connected))
        yield links
        alarms = GaugeMetricFamily("quorate_alarm", "0 none, 1 warning, 2 critical.", labels=["kind"])
        for kind in AlarmKind:
            alarms.add_metric([kind.value], max((it.level for it in status.alarms if it.kind is kind), default=0))
        yield alarms
        yield from self._counters()

    def _counters(self) -> Iterator[Metric]:
        for name, meaning, counts in (
            (
                "quorate_transactions",
                "Appended transactions, accepted or by the rule that refused.",
                self._transactions,
            ),
            ("quorate_round_updates", "Appended updates, accepted or by the rule that refused.", self._updates),
        ):
            family = CounterMetricFamily(name, meaning, labels=["verdict"])
            for verdict in sorted(counts):
                family.add_metric([verdict], counts[verdict])
            yield family
        yield CounterMetricFamily("quorate_view_changes", "Views entered by a view change.", value=self._view_changes)
        yield CounterMetricFamily(
            "quorate_equivocations", "Offences of validators found or heard of.", value=self._equivocations
        )
        yield CounterMetricFamily(
            "quorate_protocol_violations", "Messages of peers that break the protocol.", value=self._violations
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scrape (ASGI)."""
        if scope["path"] != PATH:
            answer = problem_answer(UnknownPath("path", expected=PATH, got=scope["path"]))
        elif scope["method"] not in {"GET", "HEAD"}:
            allowed = {"Allow": "GET, HEAD"}
            answer = problem_answer(
                MethodNotAllowed("method", expected="GET or HEAD", got=scope["method"], headers=allowed)
            )
        else:
            answer = Response(generate_latest(self), media_type=CONTENT_TYPE_PLAIN_0_0_4)
        await answer(scope, receive, send)


class MetricsServer(HttpServer):
    """The listener for scrapers; `serve` and `stop` as of any listener."""

    def __init__(self, metrics: NodeMetrics, section: MetricsSection) -> None:
        """Bind; raises ConfigurationError."""
        super().__init__(metrics, parse_address(section.listen), connections_max=CONNECTIONS_MAX, tls=None)


def _verdict(verdict: Verdict) -> str:
    return "accepted" if isinstance(verdict, Accepted) else verdict.rule
