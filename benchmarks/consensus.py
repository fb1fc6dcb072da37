"""`make bench-consensus`: consensus side by side with a Python peer and with the limits of this machine, in one run.

Four validators as processes on loopback: real TLS links, LevelDB and vote logs with forced writes, every signature
checked by every validator. Transactions are signed updates for an unknown task, 250 bytes: each is ordered, judged,
refused by rule U1 and recorded, as every transaction is; one row shows accepted enrolments instead.

The peer, pysyncobj, is Raft: it tolerates crashes, no lies, checks no signature, has no TLS, and leaves its journal to
the system to write.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.consortium import Consortium, make_consortium
from benchmarks.limits import limits
from benchmarks.over_rest import measure_rest
from benchmarks.results import Profile, Row, machine, quantile, save, show, show_profiles
from ledger.parameters import ChainParameters
from quorate.ports import free_ports

CLIENTS = (1, 16, 128, 1_024)
WINDOWS = (1, 4, 16, 64)
SUBMITTERS = 16
"""Clients over REST that have as many transactions on their way as the most of the others, several in each request."""
SINGLE = "one transaction a block, window"
RUN_SECONDS_MAX = 90.0
"""What starting, warming up and ending may take beside the time that is measured; a run that hangs ends the whole."""
ENVIRONMENT = {
    "QUORATE_LIMITS__MEMPOOL_SENDER_MAX": "20000",
    "QUORATE_REST__REQUESTS_CONCURRENT_MAX": "2048",
    "QUORATE_TIMING__VIEW_MS": "10000",
    "QUORATE_LOG__LEVEL": "warning",
}
"""Limits that 64 authors with 1,024 clients would meet, and a view timer that a machine of two cores does not."""
BENCH = Path("build/bench")


def ours(
    consortium: Consortium, system: str, clients: int, seconds: float, *, kind: str = "refused"
) -> tuple[Row, Profile]:
    """Measure with clients inside the validators' processes; return also where the CPU of all four went."""
    shares = [clients // 4 + (place < clients % 4) for place in range(4)]
    processes = [
        _python(["-m", "benchmarks.inner_node", str(home.path), str(share), str(seconds), kind])
        for home, share in zip(consortium.homes, shares, strict=True)
    ]
    with _ending(processes, seconds):
        for process in processes:
            _read(process)
        _tell(processes)
        answers: list[dict[str, Any]] = [json.loads(_read(process)) for process in processes]
        _tell(processes)
    latencies = [each for answer in answers for each in answer["latencies_ms"]]
    blocks = max(1, *(answer["blocks"] for answer in answers))
    cpu = sum(answer["cpu_s"] for answer in answers) / 4
    row = Row(
        system=system,
        clients=clients,
        blocks_per_s=blocks / seconds,
        tx_per_s=len(latencies) / seconds,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        cpu_ms_per_block=1_000 * cpu / blocks,
        cpu_us_per_tx=1_000_000 * cpu / max(1, len(latencies)),
        bytes_per_block=sum(answer["bytes_sent"] for answer in answers) / 4 / blocks,
    )
    samples: Counter[str] = Counter()
    for answer in answers:
        samples.update(answer["samples"])
    return row, Profile(row=row, samples=samples)


def peer(folder: Path, clients: int, seconds: float) -> Row:
    """Measure pysyncobj with four replicas in the same way."""
    python = peer_python()
    addresses = [f"127.0.0.1:{port}" for port in free_ports(4)]
    processes = []
    for place, own in enumerate(addresses):
        others = ",".join(other for other in addresses if other != own)
        script = str(Path(__file__).with_name("pysyncobj_node.py"))
        journal = str(folder / f"journal-{clients}-{place}")
        processes.append(_spawn([python, script, own, others, journal, str(clients), str(seconds)]))
    with _ending(processes, seconds):
        answers = [json.loads(_read(process)) for process in processes]
    latencies = [each for answer in answers for each in answer["latencies_ms"]]
    count = max(1, len(latencies))
    return Row(
        system="pysyncobj, crash-tolerant, no signatures",
        clients=clients,
        tx_per_s=len(latencies) / seconds,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        cpu_us_per_tx=1_000_000 * sum(answer["cpu_s"] for answer in answers) / 4 / count,
    )


def peer_python() -> str:
    """Return the Python of the peer's own environment, made when first needed; never ours."""
    place = BENCH / "venv-pysyncobj"
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "pysyncobj==0.3.17"], check=True)
    return str(python)


def _python(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return _spawn([sys.executable, *arguments])


def _spawn(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(BENCH / "stderr.log").open("ab"),
        text=True,
        env=os.environ | ENVIRONMENT,
    )


def _read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        sys.exit(f"a measured process ended early; see {BENCH / 'stderr.log'}")
    return line


def _tell(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


@contextmanager
def _ending(processes: Sequence[subprocess.Popen[str]], seconds: float) -> Iterator[None]:
    """See to it that processes end; those that take much longer than they are to be measured are killed."""
    watchdog = threading.Timer(seconds + RUN_SECONDS_MAX, _kill, (processes,))
    watchdog.start()
    try:
        yield
        for process in processes:
            process.wait(60)
    finally:
        watchdog.cancel()
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _kill(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()


def judge(rows: Sequence[Row], found: dict[str, float]) -> list[str]:
    """Return each goal with what was reached, as lines, and what the limits of the same run allow."""
    cores, forced = os.cpu_count() or 1, found["forced writes, 4 KiB appends"]
    inner = [row for row in rows if row.system == "node, clients inside"]
    open_window = max((row for row in rows if row.system.startswith(SINGLE)), key=lambda row: row.blocks_per_s or 0.0)
    most = max(inner, key=lambda row: row.tx_per_s)
    one = next(row for row in inner if row.clients == 1)
    sixteen = next(row for row in inner if row.clients == 16)
    goals = [
        ("blocks/s, window open", open_window.blocks_per_s or 0.0, min(2_000.0, forced / 2), True),
        ("tx/s", most.tx_per_s, 5_000.0, True),
        ("p50 at 1 client, ms", one.p50_ms, 3.0, False),
        ("p99 at 16 clients, ms", sixteen.p99_ms, 50.0, False),
    ]
    lines = [
        f"{name}: {got:,.1f}, goal {goal:,.1f}: {'reached' if (got >= goal) is more else 'missed'}"
        for name, got, goal, more in goals
    ]
    share = cores / 4  # of a core, for each validator
    verify_us, tx_us = 1e6 / found["Ed25519 verifications, one core"], most.cpu_us_per_tx or 1.0
    block_ms, single_ms = one.cpu_ms_per_block or 0.0, open_window.cpu_ms_per_block or 1.0
    signatures = f"{1e6 * share / verify_us:,.0f} by signatures alone ({verify_us:.0f} us each)"
    everything = f"{1e6 * share / tx_us:,.0f} by all CPU ({tx_us:.0f} us a transaction and validator, the load within)"
    small_blocks = f"{1e3 * share / single_ms:,.0f} by CPU ({single_ms:.2f} ms a block and validator)"
    alone = f"{4e3 / forced:.1f} for four forced writes, {block_ms / share:.1f} for CPU ({block_ms:.1f} ms a validator)"
    return [
        *lines,
        f"tx/s that {cores} cores allow 4 validators: {signatures}, {everything}",
        f"blocks/s that they allow: {small_blocks}; {forced:,.0f} writes a second can be forced",
        f"ms that 1 client waits at least: {alone}",
    ]


def main() -> None:
    """Measure everything, print it, and keep it in build/bench/consensus.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    options = parser.parse_args()
    if not {1, 16} <= set(options.clients):
        parser.error("--clients: the goals are for 1 and 16 among others")
    BENCH.mkdir(parents=True, exist_ok=True)
    facts, seconds = machine(), options.seconds
    rows: list[Row] = []
    profiles: list[Profile] = []
    with tempfile.TemporaryDirectory(dir=BENCH) as name:
        folder = Path(name).absolute()
        found = limits(folder)
        for clients in options.clients:
            row, profile = ours(_fresh(folder, f"node-{clients}"), "node, clients inside", clients, seconds)
            rows.append(row)
            profiles.append(profile)
        rows.append(ours(_fresh(folder, "accepted"), "node, accepted enrolments", 128, seconds, kind="accepted")[0])
        for window in WINDOWS:
            single = ChainParameters(window=window, block_transactions_max=1)
            row, profile = ours(_fresh(folder, f"window-{window}", single), f"{SINGLE} {window}", 256, seconds)
            rows.append(row)
            profiles += [profile] if window == max(WINDOWS) else []
        rows += [
            measure_rest(_fresh(folder, f"rest-{clients}"), clients, seconds, os.environ | ENVIRONMENT)
            for clients in options.clients
        ]
        rows.append(
            measure_rest(
                _fresh(folder, "submissions"),
                SUBMITTERS,
                seconds,
                os.environ | ENVIRONMENT,
                per_request=1_024 // SUBMITTERS,
            )
        )
        rows += [peer(folder, clients, seconds) for clients in options.clients]
    for name, rate in found.items():
        print(f"{name}: {rate:,.0f} a second")
    show("Consensus, 4 replicas on loopback, forced writes", rows)
    show_profiles(profiles)
    goals = judge(rows, found)
    print("\n".join(goals))
    save(BENCH / "consensus.json", facts=facts, limits=found, rows=rows, profiles=profiles, goals=goals)


def _fresh(folder: Path, name: str, parameters: ChainParameters | None = None) -> Consortium:
    place = folder / name
    place.mkdir()
    return make_consortium(place, parameters=parameters or ChainParameters())


if __name__ == "__main__":
    main()
