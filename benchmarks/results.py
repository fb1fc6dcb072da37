"""What a run gives: latencies within a window of time, rows of a table, and the file that keeps them."""

import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(slots=True, kw_only=True)
class Sample:
    """Latencies of what was finished between two moments."""

    begin: float
    end: float
    latencies_ms: list[float] = field(default_factory=list)

    def add(self, began: float, ended: float) -> None:
        """Take one in, if it ended within the window."""
        if self.begin <= ended < self.end:
            self.latencies_ms.append(1_000 * (ended - began))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the comparison; None where a figure does not apply."""

    system: str
    clients: int
    blocks_per_s: float | None = None
    tx_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_block: float | None = None
    """Of one validator."""
    cpu_us_per_tx: float | None = None
    """Of one validator or replica; what makes the load within its process included."""
    bytes_per_block: float | None = None
    """Sent on links by one validator, to all its peers together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the CPU of a row went, by kind of work."""

    row: Row
    samples: Counter[str]

    def parts(self) -> dict[str, float]:
        """Return the part of each kind."""
        total = max(1, self.samples.total())
        return {kind: count / total for kind, count in self.samples.most_common()}


def quantile(values: list[float], part: float) -> float:
    """Return the value below which a part of the values lies; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else 0.0


def machine() -> dict[str, object]:
    """Return what a figure means nothing without."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((one.partition(":")[2].strip() for one in lines if one.startswith("model name")), platform.processor())
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.orig_argv),
        "commit": git.stdout.strip(),
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0],
    }


def show(title: str, rows: list[Row]) -> None:
    """Print rows as a table."""
    table = Table(title=title)
    names = list(Row.__dataclass_fields__)
    for name in names:
        table.add_column(name, justify="left" if name == "system" else "right")
    for row in rows:
        values = [getattr(row, name) for name in names]
        table.add_row(*map(_cell, values))
    Console(width=150).print(table)


def _cell(value: str | float | None) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:,.1f}"
        case _:
            return str(value)


def show_profiles(profiles: Sequence[Profile]) -> None:
    """Print what each kind of work costs a block and a validator, in us of CPU."""
    table = Table(title="CPU of a validator, us a block (of all)")
    table.add_column("kind of work")
    for profile in profiles:
        table.add_column(f"{profile.row.system}, {profile.row.clients}", justify="right")
    parts = [profile.parts() for profile in profiles]
    for kind in sorted(set().union(*parts), key=lambda kind: -sum(part.get(kind, 0.0) for part in parts)):
        costs = [1_000 * (profile.row.cpu_ms_per_block or 0.0) for profile in profiles]
        cells = [
            f"{cost * part.get(kind, 0.0):,.0f} ({part.get(kind, 0.0):.0%})"
            for cost, part in zip(costs, parts, strict=True)
        ]
        table.add_row(kind, *cells)
    Console(width=150).print(table)


def save(
    file: Path,
    *,
    facts: dict[str, object],
    limits: dict[str, float],
    rows: list[Row],
    profiles: list[Profile],
    goals: list[str],
) -> None:
    """Write everything as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": facts,
        "units": "rates a second; latencies ms; CPU of one validator, user and system; bytes sent on links",
        "limits_per_s": limits,
        "rows": [asdict(row) for row in rows],
        "cpu_parts": [
            {"system": profile.row.system, "clients": profile.row.clients, "parts": profile.parts()}
            for profile in profiles
        ],
        "goals": goals,
    }
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
