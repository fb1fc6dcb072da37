"""What a run prints: each fault as it is inflicted, and tables at the end."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.gaps import GOAL_SECONDS, Gap, percentile
from tests.chaos.memory import Memory
from tests.chaos.nemesis import Injected
from tests.chaos.runs import Outcome

console = Console(width=120, highlight=False)
FOLDER = Path("build/chaos")


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
        f" {compared.transactions} transactions, each once; {compared.certificates} certificates are valid; every"
        " acknowledged transaction is there, where it was told to be; the history is linearizable[/]"
    )
    for place in range(memory.cluster.size):
        slope = memory.slope(place)
        grew = "" if slope is None else f"; its own grew by {slope:+.2f} MiB a minute at last"
        console.print(f"validator {place}: at most {memory.most(place):.0f} MiB resident, its workers included{grew}")


def tell_gaps(gaps: list[Gap]) -> None:
    """Print the distribution of gaps, beside what else the machine had to do."""
    found = facts_of_gaps(gaps)
    console.print("gaps, s: " + " ".join(f"{it:.2f}" for it in sorted(gap.seconds for gap in gaps)))
    colour = "green" if found["goal_met"] else "yellow"
    console.print(
        f"[{colour}]{len(gaps)} kills of the primary, time without a receipt: p50 {found['p50_s']:.2f} s,"
        f" p90 {found['p90_s']:.2f} s, max {found['max_s']:.2f} s; between receipts otherwise"
        f" {found['typical_s'] * 1000:.0f} ms; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores;"
        f" the goal of {GOAL_SECONDS:g} s is {'met' if found['goal_met'] else 'missed'}[/]"
    )


def facts_of_gaps(gaps: list[Gap]) -> dict[str, float]:
    """Return the distribution of gaps; there must be one."""
    seconds = [gap.seconds for gap in gaps]
    return {
        "kills": len(gaps),
        "p50_s": percentile(seconds, 0.5),
        "p90_s": percentile(seconds, 0.9),
        "max_s": max(seconds),
        "typical_s": percentile([gap.typical_seconds for gap in gaps], 0.5),
        "goal_s": GOAL_SECONDS,
        "goal_met": max(seconds) <= GOAL_SECONDS,
    }


def facts_of_attack(outcome: Outcome, memory: Memory) -> dict[str, object]:
    """Return what a run has shown so far, as JSON has it."""
    history = outcome.history
    return {
        "injected": [asdict(injected) | {"fault": str(injected.fault)} for injected in outcome.injected],
        "submissions": len(history.submissions),
        "acknowledged": len(history.acknowledged),
        "reads": len(history.reads),
        "blobs_recorded": len(history.recorded),
        "answers_without_receipt": outcome.refused,
        "compared": None if outcome.compared is None else asdict(outcome.compared),
        "memory": [
            {"most_MiB": round(memory.most(place), 1), "growth_MiB_per_minute": memory.slope(place)}
            for place in range(memory.cluster.size)
        ],
    }


def save(name: str, facts: Mapping[str, object]) -> None:
    """Write what a run has shown, and say where."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.json"
    file.write_text(json.dumps({**facts, "load_average_after": os.getloadavg()[0]}, indent=2) + "\n")
    console.print(f"written to {file}")
