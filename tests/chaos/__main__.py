"""`make chaos`: attack real validators for some minutes, then say what was injected, acknowledged and found.

    python -m tests.chaos [--seed N] [--validators 4] [--seconds 180] [--faults kill,loss,...] [--kills 20]

What was found is written to build/chaos/ too. Exit code 1 means that a claim does not hold; the folder with logs and
databases is kept then. A goal of speed that was missed is printed and no failure.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from random import SystemRandom
from typing import TypeAlias

from rich.markup import escape

from benchmarks.results import machine
from tests.chaos.cluster import WHOLE_CHAINS, running_cluster
from tests.chaos.faults import ON_LINKS, Kind
from tests.chaos.gaps import Gap, measure
from tests.chaos.links import Network, best_network
from tests.chaos.memory import Memory
from tests.chaos.report import console, facts_of_attack, facts_of_gaps, save, tell, tell_gaps, tell_outcome
from tests.chaos.runs import Outcome, attack, clients, finish, kinds_possible, schedule, until

ISOLATED = "CHAOS_IN_NAMESPACE"
CLIENTS = 4
PAUSE_SECONDS = 0.1

Facts: TypeAlias = Mapping[str, object]
"""What a result means nothing without: machine, network, command."""


def main() -> int:
    """Run, and return the exit code."""
    options = _options()
    _enter_namespace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the validators end with this process
    seed = options.seed if options.seed is not None else SystemRandom().getrandbits(32)
    network = best_network(options.validators, seed)
    folder = Path(tempfile.mkdtemp(prefix="quorate-chaos-"))
    again = f"make chaos SEED={seed} VALIDATORS={options.validators} SECONDS={options.seconds} KILLS={options.kills}"
    again += f" FAULTS={options.faults}" if options.faults else ""
    console.print(f"[bold]{options.validators} validators, {network.name}, data in {folder}[/]\n{again}")
    facts = machine() | {"network": network.name, "again": again}
    try:
        if options.kills:
            _measure(folder / "gaps", network, options, seed, facts)
        if options.seconds:
            _attack(folder / "attack", network, options, seed, facts)
    except AssertionError as error:
        console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}")
        console.print(f"logs and databases are kept in {folder}\n{again}")
        return 1
    finally:
        network.close()
    shutil.rmtree(folder)
    return 0


def _measure(folder: Path, network: Network, options: argparse.Namespace, seed: int, facts: Facts) -> None:
    """Measure the gap without commits after a kill of the primary, with nothing else going on."""
    outcome = Outcome()
    with running_cluster(folder, network, count=options.validators) as cluster:
        console.print(f"[bold]{options.kills} kills of the primary, default settings, {CLIENTS} clients[/]")
        gaps: list[Gap] = []
        try:
            with clients(cluster, outcome.history, count=CLIENTS, pause_seconds=PAUSE_SECONDS / 2, seed=seed) as shared:
                for gap in islice(measure(cluster, shared), options.kills):
                    gaps.append(gap)
                    console.print(f"  {gap.seconds:.2f} s, load {os.getloadavg()[0]:.1f}")
        finally:  # a run that is broken off has measured something too
            if gaps:
                tell_gaps(gaps)
                save(f"gaps-{options.validators}-{seed}", {**facts, **facts_of_gaps(gaps)})
        finish(cluster, outcome)


def _attack(folder: Path, network: Network, options: argparse.Namespace, seed: int, facts: Facts) -> None:
    wanted = [Kind(name) for name in options.faults.split(",")] if options.faults else list(Kind)
    kinds = kinds_possible(wanted, can_fail=network.can_fail)
    left_out = sorted(ON_LINKS & set(wanted) - set(kinds))
    if left_out:
        console.print(f"[yellow]not possible on this network, and left out: {', '.join(left_out)}[/]")
    with running_cluster(folder, network, count=options.validators, settings=WHOLE_CHAINS) as cluster:
        console.print(f"[bold]attacked for {options.seconds} s[/]")
        memory, outcome = Memory(cluster=cluster), Outcome()
        memory.watch()
        held = "broken off"
        try:
            attack(
                cluster,
                outcome,
                until(options.seconds, schedule(seed, kinds, size=options.validators)),
                client_count=CLIENTS,
                pause_seconds=options.pause,
                seed=seed,
                tell=tell,
                memory=memory,
            )
            held = "all claims hold"
        except AssertionError as error:
            held = f"{type(error).__name__}: {error}"
            raise
        finally:
            found = {**facts, **facts_of_attack(outcome, memory), "outcome": held}
            save(f"attack-{options.validators}-{seed}", found)
    tell_outcome(outcome, memory)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Attack real validators.")
    parser.add_argument("--seed", type=int, help="schedule of faults; drawn and printed if not given")
    parser.add_argument("--validators", type=int, default=4, help="4 to 25")
    parser.add_argument("--seconds", type=int, default=180, help="how long faults are inflicted; 0: not at all")
    parser.add_argument("--faults", default="", help="kinds, separated by commas: " + ", ".join(Kind))
    parser.add_argument("--kills", type=int, default=20, help="of the primary, to measure the gap; 0: not at all")
    parser.add_argument("--pause", type=float, default=PAUSE_SECONDS, help="seconds between two actions of a client")
    return parser.parse_args()


def _enter_namespace() -> None:
    """Become root of a user namespace where we are not root: namespaces need it, and a machine may permit it."""
    if os.geteuid() == 0 or ISOLATED in os.environ:
        return
    enter = ["unshare", "--user", "--map-root-user", "--net", "--"]
    if shutil.which("unshare") and not subprocess.run([*enter, "true"], check=False, capture_output=True).returncode:
        os.environ[ISOLATED] = "1"
        os.execvp(enter[0], [*enter, sys.executable, "-m", "tests.chaos", *sys.argv[1:]])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    sys.exit(main())
