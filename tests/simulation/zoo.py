"""The zoo of planted bugs: a simulator that cannot find planted bugs proves nothing.

`make zoo` (`python -m tests.simulation.zoo`) runs the ordinary seeds, from 0 on, against each mutant until one breaks a
promise; prints bug, invariant and seeds needed; writes build/zoo.json; and fails if a bug is left alive.

python -m tests.simulation.zoo --only WORDS --only OTHER    bugs whose names contain one of these
python -m tests.simulation.zoo --first N --seeds M          seeds N to N + M - 1
python -m tests.simulation.zoo --processes 1                one bug at a time; as many as there are processors otherwise
"""

import argparse
import json
import multiprocessing
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.simulation.mutation import NotPlanted
from tests.simulation.planting import Bug
from tests.simulation.runs import run_seed
from tests.simulation.zoo_bugs import BUGS

SEEDS_MAX = 10_000
REPORT = Path("build/zoo.json")


def hunt(bug: Bug, first: int = 0, seeds: int = SEEDS_MAX) -> tuple[int, str] | None:
    """Return the first seed under which a bug breaks a promise, and which; None if none does."""
    with bug.planted():
        for seed in range(first, first + seeds):
            try:
                run_seed(seed)
            except (NotPlanted, AttributeError, NameError):
                raise  # the mutant does not run: nothing was found
            except Exception as error:  # noqa: BLE001 - whatever escapes is a finding
                return seed, named(error)
    return None


def named(error: Exception) -> str:
    """Return which invariant an error speaks of."""
    kind = type(error).__name__
    text = str(error).partition(":")[0]
    return text if kind == "Violation" else f"{kind} {text}".strip()


def _hunt(job: tuple[str, int, int]) -> tuple[str, tuple[int, str] | None]:
    name, first, seeds = job
    bug = next(bug for bug in BUGS if bug.name == name)
    return name, hunt(bug, first, seeds)


def _told(found: tuple[str, tuple[int, str] | None]) -> tuple[str, tuple[int, str] | None]:
    """Say what was found as soon as it is."""
    name, result = found
    print("ALIVE" if result is None else f"seed {result[0]}: {result[1]}", "--", name, flush=True)  # noqa: T201
    return found


def main() -> int:
    """Hunt every bug; exit code 1 if one is left alive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument("--only", action="append", help="bugs whose name contains this")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    wanted = [bug for bug in BUGS if options.only is None or any(words in bug.name for words in options.only)]
    jobs = [(bug.name, options.first, options.seeds) for bug in wanted]
    # a process for each: a mutant may leave traces in what is remembered between runs
    with multiprocessing.Pool(options.processes, maxtasksperchild=1) as pool:
        found = dict(map(_told, pool.imap_unordered(_hunt, jobs)))
    table = Table("bug", "invariant", "seeds needed")
    for name, result in found.items():
        table.add_row(name, *(("ALIVE", f"> {options.seeds}") if result is None else (result[1], str(result[0] + 1))))
    Console().print(table)
    rows = [
        {"bug": name, "invariant": result and result[1], "seeds": result and result[0] + 1}
        for name, result in found.items()
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({"seeds_max": options.seeds, "bugs": rows}, indent=2) + "\n")
    alive = [name for name, result in found.items() if result is None]
    print(f"{len(found)} bugs, {len(alive)} left alive")  # noqa: T201
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
