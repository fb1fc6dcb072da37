"""Who carries faults out, heals them, and sees to it that the cluster recovers from each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.chaos import damage
from tests.chaos.cluster import Cluster
from tests.chaos.faults import OF_PRIMARY, ON_LINKS, Fault, Kind, rules_of
from tests.chaos.history import History, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault, and what came of it."""

    fault: Fault
    victims: tuple[int, ...]
    blocks: int
    """Appended while it lasted."""
    up_seconds: float
    """From healing until all processes answered: what it takes to start them."""
    recovered_seconds: float
    """From then until all validators had appended a block that none of them had."""
    remark: str


class Nemesis:
    """Does harm to a cluster, one fault at a time."""

    def __init__(self, cluster: Cluster, history: History) -> None:
        self._cluster = cluster
        self._history = history
        self._harm: dict[Kind, Callable[[Fault, list[int]], str]] = {
            Kind.KILL: self._kill,
            Kind.KILL_PRIMARY: self._kill,
            Kind.KILL_ALL: self._kill,
            Kind.KILL_STARTING: self._kill_starting,
            Kind.PAUSE: self._pause,
            Kind.PAUSE_PRIMARY: self._pause,
            Kind.FULL_DISK: self._full_disk,
            Kind.TORN_LOG: self._torn_log,
            Kind.LAST_RECORD: self._last_record,
            Kind.DAMAGED_LOG: self._damaged_log,
            Kind.DAMAGED_DATABASE: self._damaged_database,
        }

    def inflict(self, fault: Fault) -> Injected:
        """Carry out a fault, heal it and wait for recovery; raises Violation or NotInTime."""
        cluster = self._cluster
        before = self._highest()
        victims = list(fault.victims)
        if fault.kind in OF_PRIMARY:
            victims = [cluster.primary()]
        elif fault.kind is Kind.KILL_ALL:
            victims = list(range(cluster.size))
        if fault.kind in ON_LINKS:
            cluster.network.set(rules_of(fault, victims, size=cluster.size))
            remark = ""
            time.sleep(fault.seconds)
            cluster.network.set({})
        else:
            remark = self._harm[fault.kind](fault, victims)
        during = max(0, self._highest() - before)
        up = cluster.wait(lambda: None not in cluster.heights(), "an answer of every validator")
        recovered = self._wait_progress()
        waiting = [place for place in range(cluster.size) if not (cluster.status(place) or {}).get("active")]
        if waiting:
            remark = f"{remark} not voting, in a view of its own: {waiting}".strip()
        return Injected(
            fault=fault,
            victims=tuple(victims),
            blocks=during,
            up_seconds=up,
            recovered_seconds=recovered,
            remark=remark,
        )

    def _highest(self) -> int:
        return max((height for height in self._cluster.heights() if height is not None), default=0)

    def _wait_progress(self) -> float:
        """Return how many seconds it took until all have appended a block that none of them had."""
        mark = self._highest()
        return self._cluster.wait(
            lambda: all(height is not None and height > mark for height in self._cluster.heights()),
            f"a block above {mark} at all validators",
        )

    def _kill(self, fault: Fault, victims: list[int]) -> str:
        self._cluster.kill(*victims)
        time.sleep(fault.seconds)
        for place in victims:
            self._cluster.start(place)
        return ""

    def _kill_starting(self, fault: Fault, victims: list[int]) -> str:
        (place,) = victims
        chance = Random(fault.seed)
        end, times = time.monotonic() + fault.seconds, 0
        self._cluster.kill(place)
        while time.monotonic() < end:
            self._cluster.start(place)
            time.sleep(chance.uniform(0.3, 2.5))  # from before it has read anything to after it has linked up
            self._cluster.kill(place)
            times += 1
        self._cluster.start(place)
        return f"{times} times"

    def _pause(self, fault: Fault, victims: list[int]) -> str:
        for place in victims:
            self._cluster.pause(place)
        time.sleep(fault.seconds)
        for place in victims:
            self._cluster.resume(place)
        return ""

    def _full_disk(self, fault: Fault, victims: list[int]) -> str:
        """Leave no room: the node must end by itself, saying why, and start again once there is room."""
        (place,) = victims
        validator = self._cluster.validators[place]
        database = validator.home / damage.DATABASE
        files = [validator.home / damage.VOTE_LOG, *database.glob("*.log")]
        file = Random(fault.seed).choice(files)
        said_before = validator.log.stat().st_size
        damage.leave_no_room(validator, file)
        seconds = self._cluster.wait(lambda: not validator.is_running, f"validator {place} to stop for want of room")
        said_before = self._check_refusal(place, "storage-failed", said_before, during="running")
        validator.start(file_bytes_max=0)
        self._check_refusal(place, "storage-failed", said_before, during="starting")
        time.sleep(fault.seconds)
        self._cluster.start(place)
        return f"no room beyond {file.name}; stopped after {seconds:.1f} s"

    def _torn_log(self, fault: Fault, victims: list[int]) -> str:
        (place,) = victims
        validator = self._cluster.validators[place]
        self._cluster.kill(place)
        length = damage.tear(
            validator.home / damage.VOTE_LOG, Random(fault.seed), chain_id=self._cluster.genesis.chain_id
        )
        cuts = len(validator.lines("vote-log-cut"))
        self._cluster.start(place)
        self._cluster.wait(lambda: len(validator.lines("vote-log-cut")) > cuts, "the torn tail to be cut")
        return f"{length} bytes of a next record; cut"

    def _last_record(self, fault: Fault, victims: list[int]) -> str:
        (place,) = victims
        validator = self._cluster.validators[place]
        self._cluster.kill(place)
        damage.flip_last_record(validator.home / damage.VOTE_LOG, Random(fault.seed))
        cuts = len(validator.lines("vote-log-cut"))
        self._cluster.start(place)
        self._cluster.wait(lambda: len(validator.lines("vote-log-cut")) > cuts, "the damaged record to be cut")
        return "cut, as a crash could have left it"

    def _damaged_log(self, fault: Fault, victims: list[int]) -> str:
        (place,) = victims
        validator = self._cluster.validators[place]
        self._cluster.kill(place)
        log = validator.home / damage.VOTE_LOG
        good = log.read_bytes()
        if len(damage.groups(log)) > 1:
            damage.flip_earlier_record(log, Random(fault.seed))
            said_before = validator.log.stat().st_size
            self._cluster.start(place)
            self._check_refusal(place, "vote-log-damaged", said_before, during="starting")
            assert log.stat().st_size == len(good), "a refused log is left as it is"
            log.write_bytes(good)
        self._cluster.start(place)
        return "refused"

    def _damaged_database(self, fault: Fault, victims: list[int]) -> str:
        (place,) = victims
        validator = self._cluster.validators[place]
        self._cluster.kill(place)
        database = validator.home / damage.DATABASE
        what = damage.flip_database(database, Random(fault.seed))
        said_before = validator.log.stat().st_size
        self._cluster.start(place)
        refused = self._ends_at_start(place)
        if refused:
            self._check_refusal(place, "database-damaged", said_before, during="starting")
        else:
            self._cluster.kill(place)
        aside = validator.home / f"chain-aside-{fault.seed}"
        database.rename(aside)
        self._history.emptied.append((time.monotonic(), place))
        self._cluster.start(place)
        return f"{what}; {'refused' if refused else 'not noticed yet'}; fetched again"

    def _ends_at_start(self, place: int) -> bool:
        """Return whether a validator that was started ends, rather than start."""
        validator = self._cluster.validators[place]
        began = len(validator.lines("started"))
        self._cluster.wait(lambda: not validator.is_running or len(validator.lines("started")) > began, "a start")
        return not validator.is_running

    def _check_refusal(self, place: int, code: str, said_before: int, *, during: str) -> int:
        """Raise Violation unless a validator ended and said why, beyond that byte of its log; return its length."""
        validator = self._cluster.validators[place]
        ended = validator.exit_code()
        log = validator.log.read_bytes()
        said = log[said_before:].decode(errors="replace")
        if ended == 0 or not (f'"{code}"' in said or f"[{code}]" in said):
            last = said.splitlines()[-3:]
            raise Violation(f"validator {place} ended while {during} with {ended}, not by {code}: {last}")
        return len(log)
