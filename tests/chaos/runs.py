"""A run: a cluster, clients, faults one after the other, and in the end everything that must hold."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from tests.chaos import damage
from tests.chaos.clients import Client, Shared
from tests.chaos.cluster import Cluster
from tests.chaos.comparison import Compared, compare
from tests.chaos.faults import ON_LINKS, Fault, Kind, draw
from tests.chaos.history import History, Violation, check
from tests.chaos.memory import Memory
from tests.chaos.nemesis import Injected, Nemesis
from tests.chaos.uploads import Uploader, check_kept, wait_kept


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a run has shown."""

    injected: list[Injected] = field(default_factory=list)
    history: History = field(default_factory=History)
    refused: dict[str, int] = field(default_factory=dict)
    compared: Compared | None = None


@contextmanager
def clients(cluster: Cluster, history: History, *, count: int, pause_seconds: float, seed: int) -> Iterator[Shared]:
    """Let clients submit until the block ends, and then finish what they began; raises what one of them ran into."""
    shared = Shared(cluster=cluster, history=history, pause_seconds=pause_seconds)
    running: list[Client | Uploader] = [Client(shared, number, seed) for number in range(count)]
    running.append(Uploader(shared))
    for client in running:
        client.start()
    try:
        yield shared
    finally:
        shared.stopping.set()
        for client in running:
            client.join()
    for client in running:
        if client.failure is not None:
            raise Violation(f"{client.name} failed: {client.failure!r}") from client.failure


def schedule(seed: int, kinds: Sequence[Kind], *, size: int) -> Iterator[Fault]:
    """Yield the faults of a seed, without end: every kind once, in a drawn order, before any comes again."""
    chance = Random(seed)
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield draw(chance, kind, size=size)


def kinds_possible(wanted: Iterable[Kind] = Kind, *, can_fail: bool) -> list[Kind]:
    """Return the kinds of faults that can be inflicted here."""
    return [kind for kind in wanted if can_fail or kind not in ON_LINKS]


def attack(
    cluster: Cluster,
    outcome: Outcome,
    faults: Iterable[Fault],
    *,
    client_count: int,
    pause_seconds: float,
    seed: int,
    tell: Callable[[Injected], None],
    memory: Memory | None = None,
) -> None:
    """Inflict faults while clients submit; then stop everything and check all claims, noting everything in `outcome`.

    Raises Violation, NotLinearizable or NotInTime.
    """
    nemesis = Nemesis(cluster, outcome.history)
    with clients(cluster, outcome.history, count=client_count, pause_seconds=pause_seconds, seed=seed) as shared:
        for fault in faults:
            outcome.injected.append(nemesis.inflict(fault))
            tell(outcome.injected[-1])
        outcome.refused = shared.refused
    finish(cluster, outcome, memory)


def finish(cluster: Cluster, outcome: Outcome, memory: Memory | None = None) -> None:
    """Let the cluster come to rest, stop it, and check everything."""
    cluster.settle()
    wait_kept(cluster, outcome.history.recorded)
    if memory is not None:
        memory.stopping.set()
    codes = cluster.stop()
    if any(codes):
        raise Violation(f"exit codes of an orderly stop: {codes}")
    check(outcome.history)
    check_kept(cluster, outcome.history.recorded)
    databases = [validator.home / damage.DATABASE for validator in cluster.validators]
    outcome.compared = compare(databases, outcome.history.acknowledged, cluster.genesis)


def until(seconds: float, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield faults until so many seconds have passed."""
    end = time.monotonic() + seconds
    for fault in faults:
        if time.monotonic() >= end:
            return
        yield fault
