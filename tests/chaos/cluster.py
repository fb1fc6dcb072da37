"""The validators under attack, and what is done to their processes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ledger.genesis import Genesis
from ledger.keys import SigningKey
from node.home import Home
from tests.acceptance.caller import Caller
from tests.acceptance.processes import ValidatorProcess, make_validators
from tests.chaos.links import Network

PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 120.0
"""After healing: a cluster that needs longer has failed. Far more than it needs, for machines that do much else."""


class NotInTime(AssertionError):
    """The cluster did not do in time what it must do once nothing disturbs it."""


@dataclass(slots=True, kw_only=True)
class Cluster:
    """The validators by number."""

    genesis: Genesis
    validators: list[ValidatorProcess]
    network: Network
    operators: list[SigningKey]
    paused: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        """How many validators there are."""
        return len(self.validators)

    @property
    def faulty_max(self) -> int:
        """How many may fail at a time."""
        return (self.size - 1) // 3

    @property
    def serving(self) -> list[int]:
        """Validators whose processes run and are not stopped."""
        return [place for place, it in enumerate(self.validators) if it.is_running and place not in self.paused]

    def caller(self, place: int) -> Caller:
        """Return a new way to a validator."""
        url = self.validators[place].url
        return Caller(url, self.genesis, transport=self.network.transport(place))

    def start(self, place: int) -> None:
        """Start a validator."""
        self.validators[place].start()

    def kill(self, *places: int) -> None:
        """End validators without warning (SIGKILL), stopped or not: all of them before any is waited for."""
        running = [self.validators[place] for place in places if self.validators[place].is_running]
        for validator in running:
            os.kill(validator.pid, signal.SIGKILL)
        for validator in running:
            validator.exit_code()
        self.paused -= set(places)

    def pause(self, place: int) -> None:
        """Stop a validator's process where it stands (SIGSTOP)."""
        self.validators[place].pause()
        self.paused.add(place)

    def resume(self, place: int) -> None:
        """Let it go on (SIGCONT)."""
        if place in self.paused:
            self.paused.discard(place)
            self.validators[place].resume()

    def status(self, place: int) -> dict[str, object] | None:
        """Return what a validator says of itself, None if it says nothing."""
        if place not in self.serving:
            return None
        caller = self.caller(place)
        try:
            caller.http.timeout = httpx.Timeout(5.0)
            return caller.status()
        except (httpx.TransportError, AssertionError):
            return None
        finally:
            caller.http.close()

    def heights(self) -> list[int | None]:
        """Return the head of each validator that answers."""
        found = [self.status(place) for place in range(self.size)]
        return [None if told is None else int(str(told["height"])) for told in found]

    def primary(self) -> int:
        """Return who is the primary for the validator that is furthest."""
        told = [status for place in self.serving if (status := self.status(place)) is not None]
        furthest = max(told, key=lambda status: (int(str(status["view"])), int(str(status["height"]))))
        return int(str(furthest["primary"]))

    def wait(self, is_so: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until something is so and return the seconds it took; raises NotInTime."""
        begin = time.monotonic()
        while not is_so():
            if time.monotonic() - begin > seconds:
                raise NotInTime(f"{what}: not within {seconds:g} s; heads {self.heights()}")
            time.sleep(PAUSE_SECONDS)
        return time.monotonic() - begin

    def wait_ready(self, *places: int) -> None:
        """Wait until callers may be sent to validators (by default all of them)."""
        for place in places or range(self.size):
            self.wait(lambda place=place: self._is_ready(place), f"validator {place} ready")  # type: ignore[misc]

    def _is_ready(self, place: int) -> bool:
        assert self.validators[place].is_running, f"validator {place} ended: {self.last_words(place)}"
        caller = self.caller(place)
        try:
            return caller.http.get("/readyz", timeout=5.0).is_success
        except httpx.TransportError:
            return False
        finally:
            caller.http.close()

    def last_words(self, place: int) -> str:
        """Return the end of a validator's log."""
        return " | ".join(self.validators[place].log.read_text(errors="replace").splitlines()[-3:])

    def settle(self) -> int:
        """Wait until all validators run, have nothing to do, and stand at one height; return it."""

        def is_quiet() -> bool:
            told = [self.status(place) for place in range(self.size)]
            return len({None if it is None else str(it["head"]) for it in told}) == 1 and all(
                it is not None and it["mempool_transactions"] == 0 for it in told
            )

        self.wait(is_quiet, "all validators at one block, with nothing waiting")
        (height, *_) = self.heights()
        assert height is not None
        return height

    def stop(self) -> list[int]:
        """Tell all validators to end; return their exit codes."""
        for validator in self.validators:
            validator.terminate()
        return [validator.exit_code() for validator in self.validators]


WHOLE_CHAINS = """
[snapshots]
join = false
"""
"""Whose database was taken away fetches every block again: after a snapshot there would be less to compare."""


@contextmanager
def running_cluster(folder: Path, network: Network, *, count: int, settings: str = "") -> Iterator[Cluster]:
    """Run validators with these settings until the block ends; then whatever still runs is killed."""
    validators = make_validators(folder, count=count, addresses=network.addresses, prefix=network.prefix)
    for validator in validators:
        with Home(validator.home).configuration.open("a") as file:
            file.write(settings)
    cluster = Cluster(
        genesis=Genesis((folder / "genesis.json").read_bytes()),
        validators=validators,
        network=network,
        operators=[validator.operator_key() for validator in validators],
    )
    try:
        for place in range(count):
            cluster.start(place)
        cluster.wait_ready()
        yield cluster
    finally:
        for validator in validators:
            if validator.is_running:
                validator.kill()
