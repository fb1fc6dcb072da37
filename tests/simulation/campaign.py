"""Many seeds on all cores, resumable: what was run is written down, by the state of the code that it was run on.

A seed that passed on other code proves nothing about this one, so the tally goes by a digest of all code that a run
executes. Ctrl-C loses nothing but the seeds that are under way.
"""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.families import draw
from tests.simulation.runs import failure_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "simulation"
CODE = ("ledger", "consensus", "contracts", "node", "tests/simulation")
CHUNK = 25
"""Seeds that are written down together."""


def code_digest() -> str:
    """Return a name for the code that runs execute."""
    files = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    parts = (f"{path.relative_to(ROOT)} {sha256(path.read_bytes()).hexdigest()}" for path in files)
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


class Tally:
    """Which chunks of seeds were run on one state of the code, and what failed."""

    def __init__(self, folder: Path = FOLDER) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{code_digest()}.json"
        self.chunks: set[int] = set()
        self.failures: dict[int, str] = {}
        if self._path.exists():
            held = json.loads(self._path.read_text())
            self.chunks = set(held["chunks"])
            self.failures = {int(seed): what for seed, what in held["failures"].items()}

    @property
    def seeds(self) -> int:
        """How many seeds were run."""
        return CHUNK * len(self.chunks)

    def add(self, chunk: int, failures: dict[int, str]) -> None:
        """Write down a chunk."""
        self.chunks.add(chunk)
        self.failures |= failures
        beside = self._path.with_suffix(".new")
        beside.write_text(
            json.dumps({"seeds": self.seeds, "chunks": sorted(self.chunks), "failures": self.failures}, indent=1)
        )
        beside.replace(self._path)


def run(first: int, seeds: int, tally: Tally, *, quiet: bool = False) -> dict[int, str]:
    """Run seeds from a number on, those left out that were run before; return all failures among them, old ones too."""
    wanted = range(first // CHUNK, (first + seeds + CHUNK - 1) // CHUNK)
    open_ones = [chunk for chunk in wanted if chunk not in tally.chunks]
    done = (len(wanted) - len(open_ones)) * CHUNK
    columns = (
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    with Progress(*columns, disable=quiet) as progress:
        bar = progress.add_task("seeds", total=len(wanted) * CHUNK, completed=done, failed=len(tally.failures))
        for chunk, failures in _results(open_ones):
            tally.add(chunk, failures)
            progress.update(bar, advance=CHUNK, failed=len(tally.failures))
            for seed, what in failures.items():
                progress.print(f"seed {seed}: {what}\n  replay with: python -m tests.simulation --seed {seed}")
    return {seed: what for seed, what in tally.failures.items() if seed // CHUNK in wanted}


def _results(chunks: Iterable[int]) -> Iterator[tuple[int, dict[int, str]]]:
    waiting = iter(chunks)
    with multiprocessing.Pool(os.cpu_count(), initializer=_ignore_interrupt) as pool:
        while batch := list(islice(waiting, 64)):
            yield from pool.imap_unordered(_run_chunk, batch)


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_chunk(chunk: int) -> tuple[int, dict[int, str]]:
    found = ((seed, failure_of(draw(seed))) for seed in range(CHUNK * chunk, CHUNK * (chunk + 1)))
    return chunk, {seed: what for seed, what in found if what is not None}
