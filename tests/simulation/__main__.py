"""`python -m tests.simulation --seeds N [--first M]` runs many seeds on all cores; `--seed N` replays one, readably."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor

from rich.progress import track

from tests.simulation.runs import build, run_seed, run_world


def attempt(seed: int) -> str | None:
    """Run one seed; return what went wrong, if anything did, and how to see it again."""
    try:
        run_seed(seed)
    except Exception as error:  # noqa: BLE001 - every kind of failure is a finding
        return "\n  ".join([f"seed {seed}: {type(error).__name__}: {error}", *error.__notes__])
    return None


def replay(seed: int) -> None:
    """Run one seed and print its transcript, whatever happens."""
    world = build(seed)
    print(f"{world.size} validators, window {world.window}, {world.faults}")  # noqa: T201
    try:
        run_world(world)
    finally:
        print("\n".join(world.transcript))  # noqa: T201
        print("messages:", ", ".join(f"{count} {kind}" for kind, count in sorted(world.sent.items())))  # noqa: T201


def main() -> int:
    """Run what the command line asks for; exit code 1 if a seed failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    if options.seed is not None:
        replay(options.seed)
        return 0
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor() as pool:
        results = pool.map(attempt, seeds, chunksize=4)
        failures = [failure for failure in track(results, total=len(seeds), description="seeds") if failure]
    for failure in failures:
        print(failure)  # noqa: T201
    print(f"{len(seeds)} seeds, {len(failures)} failed")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
