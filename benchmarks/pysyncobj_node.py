"""One replica of the peer, run by the Python of its own environment; imports nothing of ours.

`pysyncobj_node.py SELF OTHERS JOURNAL CLIENTS SECONDS`: a replicated log of 256-byte entries with a journal. The
leader keeps CLIENTS entries under way, the next one of a client once its last one is applied, as ours do.
"""

import json
import sys
import time

from pysyncobj import SyncObj, SyncObjConf, replicated  # type: ignore[import-not-found] # in the peer's environment only

WARM_SECONDS = 1.0


class Log(SyncObj):  # type: ignore[misc] # unknown for the same reason
    """What is replicated: how many entries there are."""

    def __init__(self, own: str, others: list[str], journal: str) -> None:
        conf = SyncObjConf(journalFile=journal, appendEntriesPeriod=0.002, autoTick=False, commandsWaitLeader=True)
        super().__init__(own, others, conf)
        self.entries = 0

    @replicated  # type: ignore[untyped-decorator] # likewise
    def add(self, entry: bytes) -> int:  # noqa: ARG002
        """Take one entry."""
        self.entries += 1
        return self.entries


def main() -> None:
    """Take part; as leader, measure and print one line of JSON."""
    own, others, journal, clients, seconds = sys.argv[1:]
    log = Log(own, others.split(","), journal)
    while log._getLeader() is None or not log.isReady():  # noqa: SLF001
        log.doTick(0.01)
    begin = time.monotonic() + WARM_SECONDS
    end = begin + float(seconds)
    latencies: list[float] = []

    def submit(began: float) -> None:
        def applied(_result: object, _error: object) -> None:
            now = time.monotonic()
            if begin <= now < end:
                latencies.append(1_000 * (now - began))
            if now < end:
                submit(now)

        log.add(bytes(256), callback=applied)

    leads = str(log._getLeader()) == own  # noqa: SLF001
    if leads:
        for _ in range(int(clients)):
            submit(time.monotonic())
    cpu = None
    while time.monotonic() < end + 1.0:
        log.doTick(0.001)
        if cpu is None and time.monotonic() >= begin:
            cpu = time.process_time()
    used = time.process_time() - (cpu or 0.0)
    print(json.dumps({"leads": leads, "latencies_ms": latencies, "cpu_s": used}), flush=True)


if __name__ == "__main__":
    main()
