"""What a run prints: each fault as it is inflicted, and tables at the end."""

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from tests.chaos.gaps import GOAL_SECONDS, Gap, percentile
from tests.chaos.memory import Memory
from tests.chaos.nemesis import Injected
from tests.chaos.runs import Outcome

console = Console(width=120, highlight=False)


def tell(injected: Injected) -> None:
    """Print one fault and what came of it."""
    whom = "" if injected.fault.victims == injected.victims else f" [dim](validator {injected.victims})[/]"
    remark = f"  [yellow]{injected.remark}[/]" if injected.remark else ""
    console.print(
        f"  {injected.fault}{whom}: {injected.blocks} blocks meanwhile, up in {injected.up_seconds:.1f} s,"
        f" all appending after {injected.recovered_seconds:.1f} s{remark}"
    )


def tell_outcome(outcome: Outcome, memory: Memory) -> None:
    """Print what was injected, what was acknowledged, and what it took."""
    by_kind: dict[str, list[Injected]] = defaultdict(list)
    for injected in outcome.injected:
        by_kind[injected.fault.kind].append(injected)
    table = Table("fault", "times", "blocks meanwhile", "all appending after s: p50", "max", title="Injected")
    for kind, cases in sorted(by_kind.items()):
        seconds = [case.recovered_seconds for case in cases]
        table.add_row(
            kind,
            str(len(cases)),
            str(sum(case.blocks for case in cases)),
            f"{percentile(seconds, 0.5):.1f}",
            f"{max(seconds):.1f}",
        )
    console.print(table)
    history, compared = outcome.history, outcome.compared
    assert compared is not None
    console.print(
        f"{len(history.submissions)} submissions, {len(history.acknowledged)} acknowledged, {len(history.reads)} reads,"
        f" {len(history.recorded)} blobs recorded;"
        f" {outcome.refused or 'no'} answers without a receipt"
    )
    console.print(
        f"[green]equal byte for byte at all validators: {compared.records} records up to block {compared.height},"
        f" {compared.transactions} transactions, each once; every acknowledged one is among them, where it was told to"
        " be; the history is linearizable[/]"
    )
    for place in range(memory.cluster.size):
        slope = memory.slope(place)
        grew = "" if slope is None else f", {slope:+.2f} MiB a minute in the second half of its longest process"
        console.print(f"validator {place}: at most {memory.most(place):.0f} MiB resident{grew}")


def tell_gaps(gaps: list[Gap]) -> bool:
    """Print the distribution of gaps; return whether the goal was met."""
    seconds = [gap.seconds for gap in gaps]
    console.print("gaps, s: " + " ".join(f"{it:.2f}" for it in sorted(seconds)))
    met = max(seconds) <= GOAL_SECONDS
    colour = "green" if met else "yellow"
    console.print(
        f"[{colour}]{len(gaps)} kills of the primary, time without a receipt: p50 {percentile(seconds, 0.5):.2f} s,"
        f" p90 {percentile(seconds, 0.9):.2f} s, max {max(seconds):.2f} s; between receipts otherwise"
        f" {percentile([gap.typical_seconds for gap in gaps], 0.5) * 1000:.0f} ms; the goal of {GOAL_SECONDS:g} s is"
        f" {'met' if met else 'missed'}[/]"
    )
    return met
