"""`make simulate SEEDS=N` runs many seeds on all cores and goes on where it stopped; failures can be replayed, shrunk.

python -m tests.simulation --seeds N [--first M]    seeds M to M + N - 1; what was run on this code is not run again
python -m tests.simulation --seed N                 one of them, with a transcript
python -m tests.simulation --shrink N               the smallest run that was found to fail like seed N
"""

import argparse
import pprint
import sys

from tests.simulation.campaign import CHUNK, Tally, code_digest, run
from tests.simulation.families import draw
from tests.simulation.runs import build, run_world
from tests.simulation.shapes import Shape
from tests.simulation.shrinking import shrink

FRESH_CHUNKS = 40_000_000
"""Fresh seeds are drawn from a billion."""
LEGEND = """Lines: seconds, then who does what.
  view-change ... view=V  leaves an earlier view for V
  view-entered            NEW-VIEW was verified and is acted on
  appended                blocks are final and durable here
  crashes, starts         the process
  hears P: ...            a message of validator P, in the turn in which it is taken in
  syncs ...               what is on its disk from now on; votes leave after that
  trouble                 the network, or a disk"""


def replay(shape: Shape) -> None:
    """Run a shape and print its transcript, whatever happens."""
    world = build(shape)
    world.tells_all = True
    print(pprint.pformat(shape, width=120))  # noqa: T201
    print(LEGEND)  # noqa: T201
    try:
        run_world(world, shape)
    finally:
        print("\n".join(world.transcript))  # noqa: T201
        print("messages:", ", ".join(f"{count} {kind}" for kind, count in sorted(world.sent.items())))  # noqa: T201


def main() -> int:
    """Run what the command line asks for; exit code 1 if a seed failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shrink", type=int)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    if options.seed is not None:
        replay(draw(options.seed))
        return 0
    if options.shrink is not None:
        replay(shrink(draw(options.shrink)))
        return 0
    tally = Tally()
    first = CHUNK * (int(code_digest(), 16) % FRESH_CHUNKS) if options.fresh else options.first
    print(f"seeds {first} to {first + options.seeds - 1}")  # noqa: T201
    try:
        failures = run(first, options.seeds, tally)
    except KeyboardInterrupt:
        print(f"stopped; {tally.seeds} seeds were run on this code, the same command goes on")  # noqa: T201
        return 130
    print(f"{tally.seeds} seeds were run on this code, {len(tally.failures)} failed: {sorted(tally.failures)}")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
